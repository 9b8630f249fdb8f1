import { describe, expect, test, vi } from "vitest";
import type { Project } from "./projects";

vi.stubGlobal("navigator", { language: "en-GB" });
const { bestOf, compare, groupKeys, letter } = await import("./compare");

describe("the best", () => {
  for (const [values, better, want] of [
    [[3, 9, null], "high", [false, true, false]],
    [[3, 9, 3], "low", [true, false, true]],
    [[3, 9], undefined, [false, false]],
    [[4, 4], "high", [false, false]],
    [[null, 4], "low", [false, false]],
  ] as const) {
    test(`of ${JSON.stringify(values)} where ${better ?? "nothing"} is better`, () => expect(bestOf([...values], better)).toEqual(want));
  }
});

test("lines that are the same everywhere are told from those that differ", () => {
  const projects = [
    { status: "completed", team_size: 3, compute_cost: 10, attributes: { gpu: true, size: 4 } },
    { status: "completed", team_size: 5, compute_cost: 7, attributes: { size: 4 } },
  ] as unknown as Project[];
  const lines = compare(projects);
  expect(lines.filter((l) => l.differs).map((l) => l.key)).toEqual(["team_size", "compute_cost", "attributes.gpu"]);
  expect(lines.find((l) => l.key === "attributes.gpu")?.shown).toEqual(["Yes", "–"]);
  expect(lines.find((l) => l.key === "compute_cost")?.best).toEqual([false, true]);
});

test("letters go on after Z", () => expect([0, 25, 26, 51, 52].map(letter)).toEqual(["A", "Z", "AA", "AZ", "BA"]));

test("projects are grouped by what some share, and not into more groups than colours", () => {
  const projects = Array.from({ length: 12 }, (_, i) => ({ status: "active", problem_class: i % 2 ? "nlp" : null, team_size: i + 1, attributes: i < 3 ? { gpu: i > 0 } : {} })) as unknown as Project[];
  const keys = groupKeys(projects);
  expect(keys.map((k) => k.key)).toEqual(["problem_class", "status", "attributes.gpu"]);
  expect([...new Set(projects.map((p) => keys[0]?.of(p)))]).toEqual(["not given", "NLP"]);
  expect([...new Set(projects.map((p) => keys[2]?.of(p)))]).toEqual(["false", "true", "not given"]);
});
