import { asProblem, type Problem } from "../api/problem";

/**
 * Something read from the server: its value, whether it is on the way, and why
 * it is not there. A newer request makes the answer of an older one void.
 */
export class Resource<T> {
  /** It is replaced whole, never changed in parts: watching each point of a curve would cost more than to draw it. */
  value = $state.raw<T | undefined>(undefined);
  problem = $state<Problem | null>(null);
  loading = $state(false);
  #turn = 0;

  constructor(private read: () => Promise<T>) {}

  /** Reads it anew. What is there stays in sight until the answer is. */
  async load(): Promise<void> {
    const turn = ++this.#turn;
    this.loading = true;
    try {
      const value = await this.read();
      if (turn !== this.#turn) return;
      this.value = value;
      this.problem = null;
    } catch (cause) {
      if (turn === this.#turn) this.problem = asProblem(cause);
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }
}

/** One page of a list, as every list of the API answers. */
export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

/** A list that is read page by page as it is scrolled. */
export class Pages<T extends { id: string }> {
  items = $state.raw<T[]>([]);
  problem = $state<Problem | null>(null);
  loading = $state(false);
  /** The first page has come. */
  begun = $state(false);
  #next: string | null = null;
  #turn = 0;
  more = $state(false);
  /** Rises with every list that begins anew, and not with one that is refreshed. */
  turned = $state(0);

  constructor(private read: (cursor: string | undefined) => Promise<Page<T>>) {}

  async restart(): Promise<void> {
    await this.#fetch(undefined, true);
  }

  /**
   * Reads anew what is there, page by page, and shows it all at once: what is in sight
   * stays where it is. It leaves a list alone that is being read, or longer than `most`,
   * and one that the server does not answer.
   */
  async refresh(most = 500): Promise<void> {
    if (this.loading || !this.begun || this.items.length > most) return;
    const turn = this.#turn;
    const items: T[] = [];
    let cursor: string | null = null;
    do {
      const page: Page<T> | null = await this.read(cursor ?? undefined).catch(() => null);
      if (page === null || turn !== this.#turn) return;
      items.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null && items.length < this.items.length);
    this.items = items;
    this.#next = cursor;
    this.more = cursor !== null;
  }

  async loadMore(): Promise<void> {
    if (this.loading || !this.more || this.#next === null) return;
    await this.#fetch(this.#next, false);
  }

  async retry(): Promise<void> {
    if (this.begun && this.#next !== null) await this.#fetch(this.#next, false);
    else await this.restart();
  }

  replace(item: T): void {
    this.items = this.items.map((old) => (old.id === item.id ? item : old));
  }

  remove(id: string): void {
    this.items = this.items.filter((item) => item.id !== id);
  }

  async #fetch(cursor: string | undefined, anew: boolean): Promise<void> {
    const turn = ++this.#turn;
    this.loading = true;
    this.problem = null;
    try {
      const page = await this.read(cursor);
      if (turn !== this.#turn) return;
      this.items = anew ? page.items : [...this.items, ...page.items];
      if (anew) this.turned++;
      this.#next = page.next_cursor;
      this.more = page.next_cursor !== null;
      this.begun = true;
    } catch (cause) {
      if (turn !== this.#turn) return;
      this.problem = asProblem(cause);
      if (anew) this.items = [];
    } finally {
      if (turn === this.#turn) this.loading = false;
    }
  }
}
