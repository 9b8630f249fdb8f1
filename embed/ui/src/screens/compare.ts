import { calendarDate, integer, number, score, words } from "../format";
import { duration, type Project } from "./projects";

/** One line of a comparison: what each project says to it. */
export interface Line {
  group: "Plan" | "Outcome" | "Attributes";
  key: string;
  label: string;
  /** As they are compared; null where a project has none. */
  values: (number | string | null)[];
  /** As they are written. */
  shown: string[];
  better?: "high" | "low";
  differs: boolean;
  /** Which projects are best, where one can be. */
  best: boolean[];
}

interface Field {
  group: Line["group"];
  key: string;
  label: string;
  value: (p: Project) => number | string | null | undefined;
  write?: (value: never) => string;
  better?: "high" | "low";
}

const fields: Field[] = [
  { group: "Plan", key: "status", label: "Status", value: (p) => p.status, write: words },
  { group: "Plan", key: "problem_class", label: "Problem class", value: (p) => p.problem_class, write: words },
  { group: "Plan", key: "complexity_score", label: "Complexity", value: (p) => p.complexity_score, write: number },
  { group: "Plan", key: "team_size", label: "Team size", value: (p) => p.team_size, write: integer },
  { group: "Plan", key: "start_date", label: "Start", value: (p) => p.start_date, write: calendarDate },
  { group: "Plan", key: "completion_date", label: "Completion", value: (p) => p.completion_date, write: calendarDate },
  { group: "Outcome", key: "success_score", label: "Success", value: (p) => p.success_score, write: score, better: "high" },
  { group: "Outcome", key: "model_performance", label: "Model performance", value: (p) => p.model_performance, write: number, better: "high" },
  { group: "Outcome", key: "business_impact", label: "Business impact", value: (p) => p.business_impact, write: number, better: "high" },
  { group: "Outcome", key: "compute_cost", label: "Compute cost", value: (p) => p.compute_cost, write: number, better: "low" },
  { group: "Outcome", key: "duration", label: "Days", value: (p) => duration(p), write: integer, better: "low" },
];

/** Everything that projects say of themselves, side by side. */
export function compare(projects: Project[]): Line[] {
  const names = [...new Set(projects.flatMap((p) => Object.keys(p.attributes ?? {})))].sort();
  const attributes: Field[] = names.map((name) => ({ group: "Attributes", key: `attributes.${name}`, label: name, value: (p) => plain(p.attributes?.[name]) }));
  return [...fields, ...attributes].map((field) => {
    const values = projects.map((p) => field.value(p) ?? null);
    const write = (field.write ?? ((v: number | string) => (typeof v === "number" ? number(v) : v))) as (v: unknown) => string;
    return {
      group: field.group,
      key: field.key,
      label: field.label,
      values,
      shown: values.map((v) => (v === null ? "–" : write(v))),
      better: field.better,
      differs: new Set(values).size > 1,
      best: bestOf(values, field.better),
    };
  });
}

function plain(value: unknown): number | string | null {
  if (typeof value === "boolean") return value ? "Yes" : "No";
  return typeof value === "number" || typeof value === "string" ? value : null;
}

/** Which values are best: none where there is no better, fewer than two to choose from, or all are the same. */
export function bestOf(values: (number | string | null)[], better?: "high" | "low"): boolean[] {
  const numbers = values.filter((v) => typeof v === "number");
  if (!better || numbers.length < 2 || new Set(numbers).size < 2) return values.map(() => false);
  const best = better === "high" ? Math.max(...numbers) : Math.min(...numbers);
  return values.map((v) => v === best);
}

/** What a project is called in a chart: A to Z, then AA. */
export function letter(index: number): string {
  return index < 26 ? String.fromCharCode(65 + index) : letter(Math.floor(index / 26) - 1) + letter(index % 26);
}

/** What projects can be grouped by: what some of them share. */
export interface GroupKey {
  key: string;
  label: string;
  of: (p: Project) => string;
}

/** The ways to group projects, none into more groups than can be told apart by colour. */
export function groupKeys(projects: Project[], most = 8): GroupKey[] {
  const none = "not given";
  const all: GroupKey[] = [
    { key: "problem_class", label: "Problem class", of: (p) => (p.problem_class ? words(p.problem_class) : none) },
    { key: "status", label: "Status", of: (p) => words(p.status) },
    { key: "team_size", label: "Team size", of: (p) => (p.team_size ? integer(p.team_size) : none) },
    ...[...new Set(projects.flatMap((p) => Object.keys(p.attributes ?? {})))].sort().map((name) => ({ key: `attributes.${name}`, label: name, of: (p: Project) => String(p.attributes?.[name] ?? none) })),
  ];
  return all.filter((k) => {
    const groups = new Set(projects.map(k.of));
    return groups.size <= most && !(groups.size === 1 && groups.has(none));
  });
}
