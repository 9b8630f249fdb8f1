import { describe, expect, test } from "vitest";
import { csv, smooth } from "./series";

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
