import type { Schema } from "../api/client";
import { integer, number, score, words } from "../format";

export type Prediction = Schema["Prediction"];
/** Costs in whole units, unless they are small. */
const cost = (n: number | null | undefined) => (n !== null && n !== undefined && Math.abs(n) >= 100 ? integer(n) : number(n));

export type Outcome = Schema["OutcomeCard"]["outcome"];

/** What is predicted, in the order in which it is shown. */
export const outcomes: { key: Outcome; label: string; unit: string; better: "more" | "less"; write: (n: number | null | undefined) => string }[] = [
  { key: "success_score", label: "Success", unit: "of 100", better: "more", write: score },
  { key: "duration_days", label: "Duration", unit: "days", better: "less", write: integer },
  { key: "cost", label: "Cost", unit: "in your unit", better: "less", write: cost },
];

export const outcomeOf = (key: Outcome) => outcomes.find((o) => o.key === key) ?? (outcomes[0] as (typeof outcomes)[number]);

/** One outcome of a prediction. */
export function predicted(p: Prediction, outcome: Outcome): { value: number | null; interval: Schema["PredictedInterval"] | null; actual: number | null } {
  if (outcome === "success_score") return { value: p.predicted_success_score, interval: p.success_score_interval, actual: p.actual_success_score };
  if (outcome === "duration_days") return { value: p.predicted_duration_days, interval: p.duration_days_interval, actual: p.actual_duration_days };
  return { value: p.predicted_cost, interval: p.cost_interval, actual: p.actual_cost };
}

/** The name of an input as people read it. */
export function inputName(name: string): string {
  const [first, ...rest] = name.split(".");
  if (first === "attributes") return rest.join(".");
  if (rest.length === 0) return words(name);
  return `${words(first)}: ${words(rest.join("."))}`;
}

export type Driver = Schema["Driver"];

/** The drivers of an outcome, and apart from them the inputs that were not given: they drive nothing, but that they are missing counts in the number. */
export function driversOf(all: Driver[], outcome: Outcome): { given: Driver[]; missing: Driver[] } {
  const of = all.filter((d) => d.outcome === outcome);
  return { given: of.filter((d) => d.input !== ""), missing: of.filter((d) => d.input === "") };
}

/** How sure a prediction is, in words. The bounds are those between which its explanation changes, no more. */
export function surety(confidence: number): string {
  if (confidence >= 0.66) return "fairly sure";
  if (confidence >= 0.33) return "somewhat sure";
  return "not very sure";
}

/** What is to be said of a history that is short, in plain words; "" of one that is not. */
export function historyInWords(note: string, basis: number, least: number): string {
  if (note === "no history") return "No project is finished yet, so there is nothing to predict from. Record how projects end, and numbers appear here.";
  if (note !== "too little history") return "";
  const finished = basis === 1 ? "Only 1 project is finished" : `Only ${basis} projects are finished`;
  return `${finished}: the numbers are what history comes to on the whole, whatever you plan. From ${least} finished projects on, the plan counts.`;
}

/** The plan that an address describes. */
export interface Plan {
  problem_class: string | null;
  complexity_score: number | null;
  team_size: number | null;
  attributes: Record<string, string | number | boolean>;
  members: { role: string; experience_level: string }[];
  artifact_ids: string[];
}

const prefix = "x.";

export function planOf(query: URLSearchParams): Plan {
  const numeric = (name: string) => {
    const value = query.get(name);
    return value !== null && value !== "" && Number.isFinite(Number(value)) ? Number(value) : null;
  };
  const attributes: Plan["attributes"] = {};
  for (const [name, value] of query) {
    if (!name.startsWith(prefix) || value === "") continue;
    const bare = value.startsWith("~") ? value.slice(1) : null; // ~ marks a text that might look like something else
    attributes[name.slice(prefix.length)] = bare ?? (value === "true" ? true : value === "false" ? false : Number.isFinite(Number(value)) ? Number(value) : value);
  }
  const members = (query.get("members") ?? "")
    .split(",")
    .filter((m) => m.includes(":"))
    .map((m) => ({ role: m.split(":")[0] ?? "", experience_level: m.split(":")[1] ?? "" }));
  return {
    problem_class: query.get("class") || null,
    complexity_score: numeric("complexity"),
    team_size: numeric("team"),
    attributes,
    members,
    artifact_ids: (query.get("artifacts") ?? "").split(",").filter(Boolean),
  };
}

export const attributeKey = (name: string) => prefix + name;
export const attributeText = (value: string | number | boolean | null) => (value === null ? "" : typeof value === "string" ? `~${value}` : String(value));

/** An attribute that past projects have: what to offer for it. */
export type Known = { name: string; projects: number } & ({ kind: "number"; min: number; max: number; whole: boolean } | { kind: "choice"; values: (string | boolean)[] });

/** The attributes of past projects, the most frequent first, those that most of them leave out not at all. */
export function knownAttributes(projects: { attributes?: Record<string, unknown> | null }[], most = 10): Known[] {
  const seen = new Map<string, unknown[]>();
  for (const p of projects) for (const [name, value] of Object.entries(p.attributes ?? {})) seen.set(name, [...(seen.get(name) ?? []), value]);
  const known: Known[] = [];
  for (const [name, values] of seen) {
    const numbers = values.filter((v) => typeof v === "number");
    const choices = [...new Set(values.filter((v) => typeof v === "string" || typeof v === "boolean"))];
    if (numbers.length === values.length) {
      const [min, max] = [Math.min(...numbers), Math.max(...numbers)];
      if (max > min) known.push({ name, projects: values.length, kind: "number", min, max, whole: numbers.every(Number.isInteger) });
    } else if (numbers.length === 0 && choices.length > 1 && choices.length <= 24) known.push({ name, projects: values.length, kind: "choice", values: choices.sort() });
  }
  return known.sort((a, b) => b.projects - a.projects || (a.name < b.name ? -1 : 1)).slice(0, most);
}
