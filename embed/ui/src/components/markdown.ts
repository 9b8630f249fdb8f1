/**
 * Markdown as a tree, for Markdown.svelte to draw. Nothing of the text ever
 * becomes markup: what is not understood is shown as it stands. Pictures are
 * named, not loaded.
 */
export type Inline = { kind: "text" | "code" | "strong" | "em"; text: string } | { kind: "link"; text: string; href: string };

export type Block =
  | { kind: "heading"; level: number; inline: Inline[] }
  | { kind: "paragraph" | "quote"; inline: Inline[] }
  | { kind: "list"; ordered: boolean; items: Inline[][] }
  | { kind: "code"; text: string }
  | { kind: "table"; head: Inline[][]; rows: Inline[][][] }
  | { kind: "rule" };

const marks = /(`+)(.+?)\1|\*\*(.+?)\*\*|__(.+?)__|\*([^\s*][^*]*?)\*|(?<![\w])_([^\s_][^_]*?)_(?![\w])|!?\[([^\]]*)\]\(\s*<?([^)\s>]+)>?[^)]*\)|<(https?:\/\/[^\s>]+)>/g;

export function parseInline(text: string): Inline[] {
  const out: Inline[] = [];
  let end = 0;
  for (const m of text.matchAll(marks)) {
    if (m.index > end) out.push({ kind: "text", text: text.slice(end, m.index) });
    end = m.index + m[0].length;
    const [whole, , code, strong1, strong2, em1, em2, label, target, bare] = m;
    if (code !== undefined) out.push({ kind: "code", text: code });
    else if (strong1 ?? strong2) out.push({ kind: "strong", text: (strong1 ?? strong2) as string });
    else if (em1 ?? em2) out.push({ kind: "em", text: (em1 ?? em2) as string });
    else if (bare) out.push({ kind: "link", text: bare, href: bare });
    else if (target !== undefined && /^https?:\/\//i.test(target)) out.push({ kind: "link", text: label || target, href: target });
    else out.push({ kind: "text", text: label || whole });
  }
  if (end < text.length) out.push({ kind: "text", text: text.slice(end) });
  return out;
}

const cells = (line: string) =>
  line
    .trim()
    .replace(/^\||\|$/g, "")
    .split("|")
    .map((c) => parseInline(c.trim()));

export function parseMarkdown(text: string): Block[] {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const blocks: Block[] = [];
  let i = 0;
  const line = () => lines[i] ?? "";
  const starts = (l: string) => /^(#{1,6}\s|\s*([-*+]|\d+[.)])\s|>|```|~~~|(\s*[-*_]){3,}\s*$)/.test(l);
  while (i < lines.length) {
    const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(line());
    const fence = /^\s*(```+|~~~+)/.exec(line());
    const item = /^\s*([-*+]|\d+[.)])\s+/.exec(line());
    if (line().trim() === "") i++;
    else if (fence) {
      const close = fence[1] ?? "```";
      const body: string[] = [];
      for (i++; i < lines.length && !line().trim().startsWith(close); i++) body.push(line());
      i++;
      blocks.push({ kind: "code", text: body.join("\n") });
    } else if (heading) {
      blocks.push({ kind: "heading", level: (heading[1] ?? "#").length, inline: parseInline(heading[2] ?? "") });
      i++;
    } else if (/^(\s*[-*_]){3,}\s*$/.test(line())) {
      blocks.push({ kind: "rule" });
      i++;
    } else if (item) {
      const ordered = /\d/.test(item[1] ?? "");
      const items: Inline[][] = [];
      for (; i < lines.length && line().trim() !== ""; i++) {
        const next = /^\s*(?:[-*+]|\d+[.)])\s+(.*)$/.exec(line());
        if (next) items.push(parseInline(next[1] ?? ""));
        else if (/^\s/.test(line())) items[items.length - 1]?.push({ kind: "text", text: " " }, ...parseInline(line().trim()));
        else break;
      }
      blocks.push({ kind: "list", ordered, items });
    } else if (line().startsWith(">")) {
      const body: string[] = [];
      for (; line().startsWith(">"); i++) body.push(line().replace(/^>\s?/, ""));
      blocks.push({ kind: "quote", inline: parseInline(body.join(" ")) });
    } else if (line().includes("|") && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)+\|?\s*$/.test(lines[i + 1] ?? "")) {
      const head = cells(line());
      const rows: Inline[][][] = [];
      for (i += 2; line().includes("|"); i++) rows.push(cells(line()));
      blocks.push({ kind: "table", head, rows });
    } else {
      const body: string[] = [line()];
      for (i++; i < lines.length && line().trim() !== "" && !starts(line()); i++) body.push(line());
      blocks.push({ kind: "paragraph", inline: parseInline(body.join(" ")) });
    }
  }
  return blocks;
}
