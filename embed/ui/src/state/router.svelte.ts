/** The address bar as state: screens read `route`, and `go` changes it. */

export type Query = Record<string, string | null | undefined>;

class Route {
  path = $state(location.pathname);
  search = $state(location.search);

  get query(): URLSearchParams {
    return new URLSearchParams(this.search);
  }
}

export const route = new Route();

function sync(): void {
  route.path = location.pathname;
  route.search = location.search;
}

addEventListener("popstate", sync);

/** Goes to an address of this application. `replace` keeps the way back as it is. */
export function go(to: string, { replace = false } = {}): void {
  const target = new URL(to, location.origin);
  if (target.origin !== location.origin) return;
  const address = target.pathname + target.search;
  if (address === location.pathname + location.search) return;
  const moved = target.pathname !== location.pathname;
  history[replace ? "replaceState" : "pushState"](null, "", address);
  sync();
  if (moved) scrollTo(0, 0);
}

/** Changes parts of the query and leaves the others; null takes a part away, and so does "" unless it is kept. */
export function setQuery(change: Query, { replace = true, keepEmpty = false } = {}): void {
  const query = route.query;
  for (const [name, value] of Object.entries(change)) {
    if (value === null || value === undefined || (value === "" && !keepEmpty)) query.delete(name);
    else query.set(name, value);
  }
  go(address(route.path, query), { replace });
}

export function address(path: string, query: URLSearchParams): string {
  // Commas and colons are readable in an address and mean nothing in a query.
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return text ? `${path}?${text}` : path;
}

/** Lets plain clicks on links of this application change the screen, not the page. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const anchor = (event.target as Element | null)?.closest?.("a");
  if (!anchor || anchor.target || anchor.hasAttribute("download") || anchor.origin !== location.origin) return;
  if (servedElsewhere(anchor.pathname)) return;
  event.preventDefault();
  go(anchor.pathname + anchor.search);
}

/** Pages of the server that are not this application's. */
function servedElsewhere(path: string): boolean {
  return /^\/(api|docs|guide|problems|metrics|livez|readyz|openapi\.json|licenses\.txt)(\/|$)/.test(path);
}

/** The parameters of a path under a pattern such as /projects/:id, or null. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split("/");
  const got = path.replace(/(.)\/$/, "$1").split("/");
  if (want.length !== got.length) return null;
  const parameters: Record<string, string> = {};
  for (const [i, segment] of want.entries()) {
    const value = got[i] ?? "";
    if (segment.startsWith(":")) {
      if (!value) return null;
      try {
        parameters[segment.slice(1)] = decodeURIComponent(value);
      } catch {
        return null; // a % that starts no escape
      }
    } else if (segment !== value) return null;
  }
  return parameters;
}
