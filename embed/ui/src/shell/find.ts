import type { Component } from "svelte";
import Building2 from "@lucide/svelte/icons/building-2";
import FolderKanban from "@lucide/svelte/icons/folder-kanban";
import Library from "@lucide/svelte/icons/library";
import UserRound from "@lucide/svelte/icons/user-round";
import { api, data } from "../api/client";
import { words } from "../format";
import { session } from "../state/session.svelte";

export interface Hit {
  group: string;
  label: string;
  hint?: string;
  icon: Component<any>;
  href: string;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Everything of the server's that a text names. */
export async function find(text: string): Promise<Hit[]> {
  const searches: Promise<Hit[]>[] = [];
  if (session.can("projects:view")) searches.push(uuid.test(text) ? projectById(text) : projects(text));
  if (session.can("artifacts:view")) searches.push(uuid.test(text) ? artifactById(text) : artifacts(text));
  if (session.can("users:view")) searches.push(users(text));
  if (session.operator) searches.push(tenants(text));
  const found = await Promise.allSettled(searches);
  return found.flatMap((f) => (f.status === "fulfilled" ? f.value : []));
}

async function projectById(id: string): Promise<Hit[]> {
  const project = await data(api.GET("/api/v1/projects/{id}", { params: { path: { id } } }));
  return [{ group: "Projects", label: project.name, icon: FolderKanban, href: `/projects/${id}` }];
}

async function projects(q: string): Promise<Hit[]> {
  const { items } = await data(api.GET("/api/v1/projects", { params: { query: { q, limit: 8, sort: "-updated_at" } } }));
  return items.map((p) => ({ group: "Projects", label: p.name, hint: words(p.status), icon: FolderKanban, href: `/projects/${p.id}` }));
}

async function artifactById(id: string): Promise<Hit[]> {
  const a = await data(api.GET("/api/v1/artifacts/{id}", { params: { path: { id } } }));
  return [{ group: "Library", label: `${a.name} ${a.version}`, hint: words(a.type), icon: Library, href: `/library/${id}` }];
}

async function users(text: string): Promise<Hit[]> {
  const { items } = await data(api.GET("/api/v1/users", { params: { query: { limit: 500 } } }));
  return items
    .filter((u) => u.name.toLowerCase().includes(text) || u.email.includes(text) || u.id === text)
    .slice(0, 8)
    .map((u) => ({ group: "Users", label: u.name, hint: u.email, icon: UserRound, href: `/users/${u.id}` }));
}

async function artifacts(query: string): Promise<Hit[]> {
  const { items } = await data(api.POST("/api/v1/artifacts/search", { body: { query, limit: 8 } }));
  return items.map((a) => ({ group: "Library", label: `${a.name} ${a.version}`, hint: words(a.type), icon: Library, href: `/library/${a.id}` }));
}

async function tenants(text: string): Promise<Hit[]> {
  const { items } = await data(api.GET("/api/v1/tenants", { params: { query: { limit: 500 } } }));
  return items
    .filter((t) => t.name.toLowerCase().includes(text) || t.slug.includes(text))
    .slice(0, 8)
    .map((t) => ({ group: "Tenants", label: t.name, hint: t.slug, icon: Building2, href: `/tenants/${t.id}` }));
}
