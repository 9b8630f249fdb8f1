import { describe, expect, test } from "vitest";
import { kindOf, parseNotebook, parseRows } from "./preview";

describe("what can be shown", () => {
  for (const [media, name, want] of [
    ["image/png", "x", "image"],
    ["application/json", "x", "json"],
    ["text/csv; charset=utf-8", "x", "table"],
    ["", "notes.md", "markdown"],
    ["", "a.ipynb", "notebook"],
    ["text/html", "page", "text"],
    ["application/octet-stream", "weights", undefined],
    ["application/pdf", "x", undefined],
  ] as const) {
    test(`${media || "no type"}, ${name}`, () => expect(kindOf(media, name)?.name).toBe(want));
  }
});

describe("rows", () => {
  test("with quotes, line ends of every kind and an open end", () => {
    expect(parseRows('a,b\r\n"x,""y""\n",2\n3,4', ",", 10)).toEqual([["a", "b"], ['x,"y"\n', "2"], ["3", "4"]]);
  });
  test("end at the most that are wanted", () => expect(parseRows("1\n2\n3\n", ",", 2)).toEqual([["1"], ["2"]]));
});

describe("notebooks", () => {
  test("that are none", () => {
    for (const text of ["", "[]", "null", "{}", '{"cells":1}']) expect(parseNotebook(text)).toBeNull();
  });
  test("with cells of any shape", () => {
    expect(parseNotebook('{"cells":[null,{"cell_type":"code","source":["a","b"],"outputs":[null,{"data":{"image/png":"\\"onload"}}]}]}')).toEqual([
      { kind: "raw", source: "", outputs: [], count: null },
      { kind: "code", source: "ab", outputs: [{ text: "" }, { text: "" }], count: null },
    ]);
  });
});
