import { describe, expect, test, vi } from "vitest";
import type { Known } from "./attention";
import type { Project } from "./projects";

vi.stubGlobal("navigator", { language: "en-GB" });
const { attention, monthly, trend } = await import("./attention");

const now = Date.parse("2026-11-20T12:00:00Z");
const project = (fields: Partial<Project>) => ({ id: "1", name: "P", updated_at: "2026-11-19T00:00:00Z", model_performance: null, business_impact: null, compute_cost: null, problem_class: "nlp", complexity_score: 3, team_size: 2, ...fields }) as Project;
const quiet: Known = { finished: [project({ compute_cost: 0 })], active: [project({})], tenant: null, tokens: [] };
const tenant = (used: number) => ({ use: { projects: used, artifacts: 0, users: 1, storage_bytes: 0 }, max_projects: 100, max_artifacts: 10, max_users: 10, max_storage_bytes: 10 }) as Known["tenant"];
const token = (expires_at: string) => ({ name: "T", expires_at }) as Known["tokens"][number];

describe("what needs attention", () => {
  for (const [name, known, want] of [
    ["nothing", quiet, []],
    ["a limit that is near", { ...quiet, tenant: tenant(90) }, ["limit"]],
    ["no limit that is far", { ...quiet, tenant: tenant(89) }, []],
    ["a token that expires within two weeks, and no other", { ...quiet, tokens: [token("2026-12-03T00:00:00Z"), token("2026-12-09T00:00:00Z"), token("2026-11-19T00:00:00Z")] }, ["token"]],
    ["a finished project without an outcome", { ...quiet, finished: [project({})] }, ["outcome"]],
    ["an active project that nobody touches", { ...quiet, active: [project({ updated_at: "2026-10-01T00:00:00Z" })] }, ["still"]],
    ["a plan that says too little", { ...quiet, active: [project({ team_size: null })] }, ["inputs"]],
  ] as [string, Known, string[]][]) {
    test(`is ${name}`, () => expect(attention(known, now).map((m) => m.kind)).toEqual(want));
  }
});

test("months are means of what finished in them; what has no score or no end counts nowhere", () => {
  const of = (completion_date: string | null, success_score: number | null) => project({ completion_date, success_score });
  const finished = [of("2026-03-20", 60), of("2026-01-02", 50), of("2026-03-01", 80), of(null, 99), of("2026-02-02", null)];
  expect(monthly(finished).map((m) => [m.month, m.mean, m.projects])).toEqual([["2026-01", 50, 1], ["2026-03", 70, 2]]);
  expect(trend(finished, 2).map((p) => p.y)).toEqual([50, 65, 70]);
});
