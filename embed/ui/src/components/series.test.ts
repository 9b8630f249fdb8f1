import { describe, expect, test } from "vitest";
import { commonTimes, grouped, aligned, csv, smooth, type Series } from "./series";

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

describe("lines of a group", () => {
  const line = (times: number[], values: number[]): Series => ({ name: "", times, values });

  test("come to their mean and its spread at common times, each only as long as it lasts", () => {
    const a = line([0, 10], [0, 10]);
    const b = line([0, 5], [4, 4]);
    const times = commonTimes([a, b], 5);
    expect(times).toEqual([0, 2.5, 5, 7.5, 10]);
    const range = grouped("g", [a, b], times, "range");
    expect(range.values).toEqual([2, 3.25, 4.5, 7.5, 10]);
    expect(range.low).toEqual([0, 2.5, 4, 7.5, 10]);
    expect(range.high).toEqual([4, 4, 5, 7.5, 10]);
    const deviation = grouped("g", [a, b], times, "deviation");
    expect(deviation.low?.[0]).toBeCloseTo(2 - Math.sqrt(8));
    expect(deviation.high?.[4]).toBe(10);
  });

  test("may be empty, or one point", () => {
    expect(commonTimes([line([], [])])).toEqual([]);
    expect(grouped("g", [line([], [])], [1, 2], "range").times).toEqual([]);
    const one = line([7], [3]);
    expect(grouped("g", [one], commonTimes([one]), "deviation")).toEqual({ name: "g", times: [7], values: [3], low: [3], high: [3] });
  });

  test("of one line are that line", () => {
    const wave = line(Array.from({ length: 100 }, (_, i) => 1.7e9 + i * 60), Array.from({ length: 100 }, (_, i) => Math.sin(i / 9)));
    const times = commonTimes([wave], 100);
    const same = grouped("g", [wave], times, "range");
    expect(same.times.length).toBe(100);
    for (const [i, v] of same.values.entries()) expect(v).toBeCloseTo(wave.values[i] ?? NaN, 4);
  });
});
