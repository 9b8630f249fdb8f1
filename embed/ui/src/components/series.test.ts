import { describe, expect, test } from "vitest";
import { aligned, csv, smooth } from "./series";

describe("smoothing", () => {
  test("off gives the values back", () => expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2]));
  test("is not drawn towards zero at the start", () => expect(smooth([5, 5, 5], 0.9)).toEqual([5, 5, 5].map((v) => expect.closeTo(v, 9))));
  test("stays between the least and the greatest value", () => {
    for (const v of smooth([0, 10, 0, 10, 0], 0.6)) expect(v).toSatisfy((v: number) => v >= 0 && v <= 10);
  });
});

describe("CSV", () => {
  test("quotes what would end a field", () => expect(csv(["a"], [['x,"y"\n']])).toBe('a\r\n"x,""y""\n"\r\n'));
  for (const formula of ["=cmd()", "+1", "-1", "@x", "\tx"]) {
    test(`keeps ${JSON.stringify(formula)} from being a formula`, () => expect(csv(["n"], [[formula]]).split("\r\n")[1]).toMatch(/^'/));
  }
  test("leaves negative numbers numbers", () => expect(csv(["n"], [[-1.5]])).toBe("n\r\n-1.5\r\n"));
});

describe("series on one axis", () => {
  const series = (times: number[], values: number[]) => ({ name: "s", times, values });
  test("keep every point where there is room", () => {
    expect(aligned([series([1, 3], [10, 30]), series([2, 3], [5, 6])])).toEqual([[1, 2, 3], [10, null, 30], [null, 5, 6]]);
  });
  test("of nothing are nothing", () => expect(aligned([])).toEqual([[]]));
  test("keep ends and peaks where there is little room", () => {
    const times = Array.from({ length: 1000 }, (_, i) => i);
    const values = times.map((t) => (t === 503 ? 99 : t / 1000));
    const [grid, column] = aligned([series(times, values), series(times.map((t) => t + 0.5), values)], 100);
    expect(grid.length).toBe(100);
    expect([grid[0], grid[99]]).toEqual([0, expect.closeTo(999.5)]);
    expect(column?.includes(99)).toBe(true);
    expect(column?.every((v) => v === null || values.includes(v))).toBe(true);
    expect(column?.filter((v) => v !== null).length).toBeGreaterThan(95);
  });
});
