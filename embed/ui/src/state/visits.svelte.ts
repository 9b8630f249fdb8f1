import { session } from "./session.svelte";

export interface Visit {
  href: string;
  label: string;
  kind: string;
}

/** What was looked at last, by this user in this tab: it is gone with the tab. */
class Visits {
  #of = "";
  #list = $state.raw<Visit[]>([]);

  get list(): Visit[] {
    return this.#of === session.user?.id ? this.#list : [];
  }

  note(visit: Visit): void {
    const earlier = this.list.filter((v) => v.href !== visit.href);
    this.#of = session.user?.id ?? "";
    this.#list = [visit, ...earlier].slice(0, 6);
  }
}

export const visits = new Visits();
