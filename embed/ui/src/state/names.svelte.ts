import { SvelteMap } from "svelte/reactivity";
import { api, data, type Schema } from "../api/client";

/**
 * Projects, artifacts and users that others refer to by id, each read once. What may
 * not be seen, or is gone, stays unnamed.
 */
class Book<T> {
  #known = new SvelteMap<string, T | null>();
  #asked = new Set<string>();

  constructor(private read: (id: string) => Promise<T>) {}

  get(id: string): T | null | undefined {
    return this.#known.get(id);
  }

  want(ids: Iterable<string>): void {
    for (const id of ids) {
      if (this.#asked.has(id)) continue;
      this.#asked.add(id);
      this.read(id).then(
        (value) => this.#known.set(id, value),
        () => this.#known.set(id, null),
      );
    }
  }

  forget(): void {
    this.#known.clear();
    this.#asked.clear();
  }
}

export const artifacts = new Book<Schema["Artifact"]>((id) => data(api.GET("/api/v1/artifacts/{id}", { params: { path: { id } } })));
export const projects = new Book<Schema["Project"]>((id) => data(api.GET("/api/v1/projects/{id}", { params: { path: { id } } })));
export const users = new Book<Schema["User"]>((id) => data(api.GET("/api/v1/users/{id}", { params: { path: { id } } })));
