/**
 * What people set up for themselves and expect to find again: the theme,
 * columns, saved views. Nothing here is secret, and nothing here is needed.
 */
export function recall<T>(name: string, fallback: T): T {
  try {
    const text = localStorage.getItem(`maestro.${name}`);
    return text === null ? fallback : (JSON.parse(text) as T);
  } catch {
    return fallback; // storage is switched off, or holds what an older version wrote
  }
}

export function remember(name: string, value: unknown): void {
  try {
    if (value === null || value === undefined) localStorage.removeItem(`maestro.${name}`);
    else localStorage.setItem(`maestro.${name}`, JSON.stringify(value));
  } catch {
    // Storage is full or switched off: it holds for this visit only.
  }
}
