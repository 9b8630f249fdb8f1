import type { Schema } from "../api/client";
import type { Project } from "./projects";

/** How finished projects of one kind of team went. */
export interface Shape {
  label: string;
  projects: number;
  mean: number;
  /** The middle half of their scores lies between these. */
  low: number;
  high: number;
}

/** Fewer projects than this say nothing about a kind of team. */
export const enough = 3;

const sizes: [string, number, number][] = [["1", 1, 1], ["2", 2, 2], ["3", 3, 3], ["4", 4, 4], ["5", 5, 5], ["6 to 7", 6, 7], ["8 to 10", 8, 10], ["11 to 20", 11, 20], ["over 20", 21, Infinity]];

/** Success by team size, the smallest first; sizes that nobody had are left out. */
export function bySize(finished: Project[]): Shape[] {
  return sizes.flatMap(([label, from, to]) => shape(label, finished.filter((p) => p.team_size !== null && p.team_size !== undefined && p.team_size >= from && p.team_size <= to)));
}

export interface Team {
  project: Project;
  members: Schema["Member"][];
}

/** Success of the projects whose team had somebody of each kind, the most successful first. */
export function byPresence(teams: Team[], kind: (member: Schema["Member"]) => string): Shape[] {
  const kinds = [...new Set(teams.flatMap((t) => t.members.map(kind)))];
  return kinds.flatMap((k) => shape(k, teams.filter((t) => t.members.some((m) => kind(m) === k)).map((t) => t.project))).sort((a, b) => b.mean - a.mean);
}

/** Success of the projects whose team had nobody of a kind, or null where there are none. */
export function without(teams: Team[], kind: (member: Schema["Member"]) => string, wanted: string): Shape | null {
  return shape(wanted, teams.filter((t) => t.members.length > 0 && !t.members.some((m) => kind(m) === wanted)).map((t) => t.project))[0] ?? null;
}

function shape(label: string, projects: Project[]): Shape[] {
  const scores = projects.map((p) => p.success_score).filter((s) => s !== null && s !== undefined).sort((a, b) => a - b);
  if (scores.length === 0) return [];
  return [{ label, projects: scores.length, mean: scores.reduce((a, b) => a + b, 0) / scores.length, low: quantile(scores, 0.25), high: quantile(scores, 0.75) }];
}

/** Linear interpolation between the closest ranks (Hyndman and Fan 1996, type 7). */
function quantile(sorted: number[], q: number): number {
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? 0;
  return low + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] ?? low) - low);
}
