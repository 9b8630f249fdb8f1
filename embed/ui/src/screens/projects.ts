import type { Schema } from "../api/client";
import type { operations } from "../api/schema";
import type { Column } from "../components/table";
import { days } from "../format";

export type Project = Schema["Project"];
export type ProjectSort = NonNullable<NonNullable<operations["listProjects"]["parameters"]["query"]>["sort"]>;

/** The problem classes that are suggested; any lower-case word is one. */
export const problemClasses = ["classification", "regression", "nlp", "forecasting", "recommendation", "vision", "clustering"];

/** A column that the list of projects can have. Its order is one that the server knows. */
type ProjectColumn = Column & { sort?: Exclude<ProjectSort, `-${string}`> };

export const projectColumns: ProjectColumn[] = [
  { key: "name", label: "Name", width: 260, flexible: true, sort: "name", fixed: true },
  { key: "status", label: "Status", width: 128 },
  { key: "problem_class", label: "Problem class", width: 144 },
  { key: "success_score", label: "Success", width: 136, align: "right", sort: "success_score", first: "down" },
  { key: "model_performance", label: "Model", width: 88, align: "right" },
  { key: "business_impact", label: "Impact", width: 104, align: "right" },
  { key: "compute_cost", label: "Cost", width: 104, align: "right" },
  { key: "complexity_score", label: "Complexity", width: 104, align: "right" },
  { key: "team_size", label: "Team", width: 72, align: "right" },
  { key: "start_date", label: "Started", width: 116 },
  { key: "completion_date", label: "Completed", width: 116 },
  { key: "duration", label: "Days", width: 80, align: "right" },
  { key: "created_at", label: "Recorded", width: 116, sort: "created_at", first: "down" },
  { key: "updated_at", label: "Changed", width: 116, sort: "updated_at", first: "down" },
];

export const usualColumns = ["name", "status", "problem_class", "success_score", "team_size", "completion_date", "updated_at"];

export const duration = (p: Project) => days(p.start_date, p.completion_date);
