import type { Column } from "../components/table";
import { recall, remember } from "./preferences";
import { route, setQuery } from "./router.svelte";

/**
 * The columns of a list: those that the address asks for, else those that were
 * chosen last in this browser, else the usual ones. The fixed ones are always there.
 */
export class ColumnSet {
  readonly keys = $derived.by(() => {
    const asked = route.query.get("columns")?.split(",") ?? recall<string[]>(this.#store, this.usual);
    const known = asked.filter((key) => this.all.some((c) => c.key === key));
    const missing = this.all.filter((c) => c.fixed && !known.includes(c.key)).map((c) => c.key);
    return [...missing, ...known];
  });
  readonly shown = $derived(this.keys.map((key) => this.all.find((c) => c.key === key)).filter((c) => c !== undefined));

  constructor(
    private readonly list: string,
    readonly all: Column[],
    private readonly usual: string[],
  ) {}

  get #store(): string {
    return `${this.list}.columns`;
  }

  choose(keys: string[]): void {
    remember(this.#store, keys);
    setQuery({ columns: keys.join(",") });
  }

  reset(): void {
    remember(this.#store, null);
    setQuery({ columns: null });
  }
}
