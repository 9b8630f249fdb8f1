import { describe, expect, test } from "vitest";
import { parseInline, parseMarkdown } from "./markdown";

describe("Markdown", () => {
  test("reads the blocks that people write", () => {
    const kinds = parseMarkdown("# Title\n\nText\nmore\n\n- one\n- two\n\n1. first\n\n> said\n\n```\ncode\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n---\n").map((b) => b.kind);
    expect(kinds).toEqual(["heading", "paragraph", "list", "list", "quote", "code", "table", "rule"]);
  });
  test("reads marks within a line", () => {
    expect(parseInline("a **b** `c` [d](https://e.test) *f*").map((i) => i.kind)).toEqual(["text", "strong", "text", "code", "text", "link", "text", "em"]);
  });
  for (const href of ["javascript:alert(1)", "data:text/html,x", "//evil.test", "/local", " javascript:alert(1)"]) {
    test(`makes no link of ${href}`, () => expect(parseInline(`[x](${href})`).every((i) => i.kind !== "link")).toBe(true));
  }
  test("ends with any text", () => {
    for (const text of ["```", "> ", "- ", "|", "| a |\n|---|", "#", "[", "**", "\u0000", "1.", "a\n- b\nc"]) expect(Array.isArray(parseMarkdown(text))).toBe(true);
  });
  test("loses no words", () => {
    const words = "alpha beta gamma delta";
    expect(JSON.stringify(parseMarkdown(`${words}\n![alt](https://x.test/i.png)`))).toContain(words);
  });
});
