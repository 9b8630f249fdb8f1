import type { Schema } from "../api/client";
import { bytes, count, date, integer } from "../format";
import type { Project } from "./projects";

/** Something that somebody should look at, and where. */
export interface Matter {
  kind: "outcome" | "still" | "limit" | "token" | "inputs";
  title: string;
  text: string;
  href: string;
}

const day = 86_400_000;
/** An active project that nobody touched for so long may be over, or forgotten. */
export const stillAfter = 30 * day;
/** Tokens are named so long before they expire. */
const tokenNotice = 14 * day;

export interface Known {
  /** Finished projects, the latest changed first. */
  finished: Project[];
  /** Active projects, the longest unchanged first. */
  active: Project[];
  tenant: Schema["Tenant"] | null;
  tokens: Schema["APIToken"][];
}

/** What needs attention, the gravest first. Everything is said from what the server answered. */
export function attention(known: Known, now: number): Matter[] {
  const matters: Matter[] = [];
  const t = known.tenant;
  if (t) {
    const limits: [string, number, number, (n: number) => string][] = [
      ["projects", t.use.projects, t.max_projects ?? 0, integer],
      ["artifacts", t.use.artifacts, t.max_artifacts ?? 0, integer],
      ["users", t.use.users, t.max_users ?? 0, integer],
      ["storage", t.use.storage_bytes, t.max_storage_bytes ?? 0, bytes],
    ];
    for (const [name, used, limit, write] of limits) {
      if (limit > 0 && used >= 0.9 * limit) {
        const full = used >= limit;
        matters.push({ kind: "limit", title: full ? `The limit of ${name} is reached` : `The limit of ${name} is near`, text: `${write(used)} of ${write(limit)}`, href: "/limits" });
      }
    }
  }
  for (const token of known.tokens) {
    const left = Date.parse(token.expires_at) - now;
    if (left > 0 && left < tokenNotice) matters.push({ kind: "token", title: `Your token “${token.name}” expires soon`, text: `On ${date(token.expires_at)}, and what uses it stops`, href: "/account" });
  }
  const without = known.finished.filter((p) => p.model_performance === null && p.business_impact === null && p.compute_cost === null);
  const [first] = without;
  if (first) {
    matters.push({
      kind: "outcome",
      title: without.length === 1 ? `“${first.name}” has no outcome` : `${count(without.length, "finished project")} have no outcome`,
      text: "Without one there is little to learn from it",
      href: `/projects/${first.id}`,
    });
  }
  for (const p of known.active.filter((p) => now - Date.parse(p.updated_at) > stillAfter).slice(0, 3)) {
    matters.push({ kind: "still", title: `“${p.name}” is active and still`, text: `Nothing of it changed for ${count(Math.floor((now - Date.parse(p.updated_at)) / day), "day")}`, href: `/projects/${p.id}` });
  }
  const unplanned = known.active.filter((p) => !p.problem_class || !p.complexity_score || !p.team_size);
  const [unclear] = unplanned;
  if (unclear) {
    matters.push({
      kind: "inputs",
      title: unplanned.length === 1 ? `“${unclear.name}” says too little for a prediction` : `${count(unplanned.length, "active project")} say too little for a prediction`,
      text: "Problem class, complexity or team size is missing",
      href: `/projects/${unclear.id}`,
    });
  }
  return matters;
}

/** Mean success of the projects that finished in each month, the oldest first. */
export function monthly(finished: Project[]): { month: string; at: number; mean: number; projects: number }[] {
  const months = new Map<string, number[]>();
  for (const p of finished) {
    if (p.success_score === null || p.success_score === undefined || !p.completion_date) continue;
    const month = p.completion_date.slice(0, 7);
    months.set(month, [...(months.get(month) ?? []), p.success_score]);
  }
  return [...months].sort(([a], [b]) => (a < b ? -1 : 1)).map(([month, scores]) => ({ month, at: Date.parse(`${month}-15`), mean: scores.reduce((a, b) => a + b, 0) / scores.length, projects: scores.length }));
}

/** The mean of each project and the ones that finished before it, at most so many. */
export function trend(finished: Project[], window = 10): { x: number; y: number }[] {
  const done = finished
    .filter((p) => p.success_score !== null && p.success_score !== undefined && p.completion_date)
    .map((p) => ({ x: Date.parse(p.completion_date as string), y: p.success_score as number }))
    .sort((a, b) => a.x - b.x);
  return done.map((p, i) => {
    const some = done.slice(Math.max(0, i - window + 1), i + 1);
    return { x: p.x, y: some.reduce((sum, s) => sum + s.y, 0) / some.length };
  });
}
