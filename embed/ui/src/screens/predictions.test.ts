import { describe, expect, test, vi } from "vitest";
import type { Driver } from "./predictions";

vi.stubGlobal("navigator", { language: "en-GB" });
const { attributeText, driversOf, historyInWords, inputName, knownAttributes, planOf } = await import("./predictions");

test("a plan is the same after it went through the address", () => {
  const query = new URLSearchParams({ class: "nlp", complexity: "40", team: "3", members: "devops:senior,analyst:mid", "x.gpu": attributeText(1.5), "x.code": attributeText("12"), "x.flag": attributeText(false), "x.none": attributeText(null) });
  expect(planOf(new URLSearchParams(query.toString()))).toEqual({
    problem_class: "nlp",
    complexity_score: 40,
    team_size: 3,
    attributes: { gpu: 1.5, code: "12", flag: false },
    members: [{ role: "devops", experience_level: "senior" }, { role: "analyst", experience_level: "mid" }],
    artifact_ids: [],
  });
  expect(planOf(new URLSearchParams("complexity=much&team="))).toMatchObject({ complexity_score: null, team_size: null });
});

test("past projects say which attributes there are, and between what they lie", () => {
  const of = (...attributes: Record<string, unknown>[]) => knownAttributes(attributes.map((a) => ({ attributes: a })));
  expect(of({ size: 3, lang: "go", same: 1, mixed: 1 }, { size: 7.5, lang: "c", same: 1, mixed: "x" }, { size: 4 })).toEqual([
    { name: "size", projects: 3, kind: "number", min: 3, max: 7.5, whole: false },
    { name: "lang", projects: 2, kind: "choice", values: ["c", "go"] },
  ]);
});

describe("too little history is said in words", () => {
  test("none", () => expect(historyInWords("no history", 0, 10)).toMatch(/nothing to predict from/));
  test("some", () => expect(historyInWords("too little history", 1, 10)).toMatch(/Only 1 project is finished.*From 10/));
  test("enough", () => expect(historyInWords("", 40, 10)).toBe(""));
});

test("inputs are named as people call them", () => {
  expect(["attributes.function_points", "team.senior", "team_size"].map(inputName)).toEqual(["function_points", "Team: Senior", "Team size"]);
});

test("what was not given is no driver", () => {
  const driver = (outcome: Driver["outcome"], name: string, input: string): Driver => ({ outcome, name, input, effect: -19, factor: null });
  const all = [driver("success_score", "artifacts.impact", ""), driver("success_score", "team_size", "4"), driver("cost", "team_size", "")];
  const { given, missing } = driversOf(all, "success_score");
  expect(given.map((d) => d.name)).toEqual(["team_size"]);
  expect(missing.map((d) => d.name)).toEqual(["artifacts.impact"]);
});
