import { describe, expect, test, vi } from "vitest";

vi.stubGlobal("navigator", { language: "en-GB" });
const f = await import("./format");

test("nothing is a dash, and zero is not nothing", () => {
  for (const write of [f.number, f.score, f.bytes, f.integer, f.measured]) {
    expect(write(null)).toBe("–");
    expect(write(0)).not.toBe("–");
  }
});
describe("bytes", () => {
  for (const [n, want] of [[0, "0 B"], [1023, "1,023 B"], [1024, "1.0 KiB"], [50 * 2 ** 30, "50.0 GiB"], [2 ** 60, "1,024 PiB"]] as const) test(want, () => expect(f.bytes(n)).toBe(want));
});
test("a day that was written down is the same for every reader", () => expect(f.calendarDate("2026-03-01T00:00:00Z")).toBe("1 Mar 2026"));
test("days between", () => {
  expect(f.days("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")).toBe(31);
  expect(f.days(null, "2026-02-01T00:00:00Z")).toBeNull();
});
test("words of the API", () => expect(["ml_engineer", "devops", "nlp", "feature_pipeline"].map(f.words)).toEqual(["ML engineer", "DevOps", "NLP", "Feature pipeline"]));
test("how long ago", () => expect(f.ago("2026-01-01T00:00:00Z", Date.parse("2026-01-03T12:00:00Z"))).toBe("2 days ago"));
