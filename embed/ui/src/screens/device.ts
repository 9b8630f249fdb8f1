/** A browser's or program's own words about itself, as people know it. */
export function device(userAgent: string): string {
  if (!userAgent) return "Unknown program";
  const system = /Windows/.test(userAgent) ? "Windows" : /iPhone|iPad/.test(userAgent) ? "iOS" : /Mac OS X/.test(userAgent) ? "macOS" : /Android/.test(userAgent) ? "Android" : /Linux|X11/.test(userAgent) ? "Linux" : "";
  const browser = /Edg\//.test(userAgent) ? "Edge" : /Firefox\//.test(userAgent) ? "Firefox" : /Chrom(e|ium)\//.test(userAgent) ? "Chrome" : /Safari\//.test(userAgent) ? "Safari" : "";
  if (browser) return system ? `${browser} on ${system}` : browser;
  return userAgent.split(/[\s(]/)[0] || userAgent;
}
