import { describe, expect, test } from "vitest";
import { niceStep, place, scaleOf, ticks } from "./scale";

test("steps are 1, 2 or 5 times a power of ten", () => {
  expect([niceStep(10, 5), niceStep(9, 5), niceStep(0.3, 4), niceStep(23_000, 5), niceStep(0, 5)]).toEqual([2, 2, expect.closeTo(0.1), 5000, 1]);
});

describe("a scale", () => {
  for (const values of [[3, 97], [-5, 5], [7, 7], [0, 0], [], [1e-9, 2e-9], [NaN, 4]]) {
    test(`of ${JSON.stringify(values)} holds every value and has ticks within it`, () => {
      const scale = scaleOf("number", values);
      expect(scale.max).toBeGreaterThan(scale.min);
      for (const v of values.filter(Number.isFinite)) {
        expect(place(scale, v)).toBeGreaterThanOrEqual(-1e-9);
        expect(place(scale, v)).toBeLessThanOrEqual(1 + 1e-9);
      }
      const at = ticks(scale);
      expect(at.length).toBeGreaterThanOrEqual(2);
      expect(at).toEqual([...at].sort((a, b) => a - b));
    });
  }
  test("of logarithms leaves out what has none", () => {
    const scale = scaleOf("log", [-1, 0, 20, 3000]);
    expect([scale.min, scale.max, ...ticks(scale)]).toEqual([10, 10_000, 10, 100, 1000, 10_000]);
    expect(place(scale, 100)).toBeCloseTo(1 / 3);
  });
  test("of one moment is a day wide", () => expect(scaleOf("time", [5e11]).max - scaleOf("time", [5e11]).min).toBe(86_400_000));
});

test("time ticks are beginnings of months or years, and few", () => {
  for (const years of [0.3, 1, 3, 12, 80]) {
    const min = Date.UTC(2020, 4, 17);
    const at = ticks({ kind: "time", min, max: min + years * 365.25 * 86_400_000 }, 6);
    expect(at.length).toBeGreaterThan(0);
    expect(at.length).toBeLessThanOrEqual(8);
    if (years >= 1) expect(at.every((t) => new Date(t).getUTCDate() === 1)).toBe(true);
  }
});
