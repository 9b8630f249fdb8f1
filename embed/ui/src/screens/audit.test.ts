import { describe, expect, test, vi } from "vitest";

vi.stubGlobal("navigator", { language: "en-GB" });
const { actionInWords, changes, objectHref } = await import("./audit");

describe("an action in words", () => {
  for (const [action, want] of [
    ["project.create", "created a project"],
    ["api_token.delete", "deleted an API token"],
    ["artifact.upload", "uploaded content of an artifact"],
    ["session.open", "logged in"],
    ["thing.of_the_future", "of the future a thing"],
  ] as const) {
    test(action, () => expect(actionInWords(action)).toBe(want));
  }
});

test("changes are named field by field, with what was not there", () => {
  expect(changes({ name: "a", is_active: true }, { name: "b", max_storage_bytes: 2048, roles: ["viewer"] })).toEqual([
    { field: "is_active", before: "yes", after: "–" },
    { field: "max_storage_bytes", before: "–", after: "2.0 KiB" },
    { field: "name", before: "a", after: "b" },
    { field: "roles", before: "–", after: '["viewer"]' },
  ]);
});

test("only what is there is linked to", () => {
  const id = "01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69";
  expect(objectHref("project.update", id)).toBe(`/projects/${id}`);
  expect(objectHref("project.delete", id)).toBeUndefined();
  expect(objectHref("role.update", "reviewer")).toBeUndefined();
  expect(objectHref("user.update", "../account")).toBeUndefined();
});
