import { describe, expect, test } from "vitest";
import { nextSort, visibleRows } from "./table";

test("a click on a head sorts one way, the next the other", () => {
  const column = { key: "a", label: "A", width: 1, sort: "a" };
  expect(nextSort("", column)).toBe("a");
  expect(nextSort("a", column)).toBe("-a");
  expect(nextSort("-a", column)).toBe("a");
  expect(nextSort("b", { ...column, first: "down" })).toBe("-a");
});

describe("the rows that are drawn", () => {
  test("cover what is in sight", () => expect(visibleRows(4000, 800, 40, 100_000)).toEqual({ from: 90, to: 130 }));
  test("are few, however long the list", () => {
    for (const top of [0, 1e6, 4e6 - 800, 9e9]) {
      const { from, to } = visibleRows(top, 800, 40, 100_000);
      expect(to - from).toBeLessThanOrEqual(41);
      expect(from).toBeGreaterThanOrEqual(0);
      expect(to).toBeLessThanOrEqual(100_000);
    }
  });
  test("of no rows are none", () => expect(visibleRows(0, 800, 40, 0)).toEqual({ from: 0, to: 0 }));
});
