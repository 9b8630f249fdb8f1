import { route } from "../state/router.svelte";

/** A filter of a list. Its value stands in the address, under its key. */
export interface Filter {
  key: string;
  label: string;
  kind: "choice" | "text" | "number" | "date";
  /** The value that it begins with. */
  preset: string;
  choices?: readonly string[];
  suggestions?: readonly string[];
  min?: number;
  max?: number;
  maxlength?: number;
  /** How its value reads. */
  write?: (value: string) => string;
  /** What is typed as the server wants it. */
  clean?: (typed: string) => string;
}

/** The filters that are set, in the order of the list. */
export function setFilters(filters: readonly Filter[]): (Filter & { value: string })[] {
  return filters.filter((f) => route.query.has(f.key)).map((f) => ({ ...f, value: route.query.get(f.key) ?? "" }));
}

/** The value of a filter, or undefined where none is set. */
export function filterValue(key: string): string | undefined {
  return route.query.get(key) || undefined;
}

/** The same of a number; what is none counts as not set. */
export function filterNumber(key: string): number | undefined {
  const value = filterValue(key);
  return value !== undefined && Number.isFinite(Number(value)) ? Number(value) : undefined;
}

/** A change of the query that takes every filter away. */
export function noFilters(filters: readonly Filter[]): Record<string, null> {
  return Object.fromEntries(filters.map((f) => [f.key, null]));
}
