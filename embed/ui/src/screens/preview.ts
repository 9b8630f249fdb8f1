/** What can be shown of content, and how much of it is read for that. */
export interface Kind {
  name: "text" | "markdown" | "notebook" | "table" | "json" | "image";
  /** Its beginning can be shown without the rest. */
  partly: boolean;
  media: string;
}

/** Bytes of text that are read at most; the beginning of more is shown. */
export const beginning = 256 * 1024;
/** Bytes of what only makes sense whole. */
export const largest = 8 * 2 ** 20;

const images = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"];

/** What content is by its media type, or by its name where that says nothing; null when it cannot be shown. */
export function kindOf(mediaType: string, name: string, artifactType = ""): Kind | null {
  const media = mediaType.split(";")[0]?.trim().toLowerCase() ?? "";
  const ending = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  const kind = (name: Kind["name"], partly: boolean): Kind => ({ name, partly, media });
  if (images.includes(media)) return kind("image", false);
  if (media === "application/x-ipynb+json" || ending === "ipynb" || (artifactType === "notebook" && (media === "" || media === "application/json"))) return kind("notebook", false);
  if (media === "text/markdown" || ["md", "markdown"].includes(ending)) return kind("markdown", true);
  if (media === "text/csv" || media === "text/tab-separated-values" || ["csv", "tsv"].includes(ending)) return kind("table", true);
  if (media === "application/json" || ending === "json") return kind("json", false);
  if (media.startsWith("text/") || /^application\/(xml|yaml|x-yaml|toml|x-ndjson|javascript|sql)/.test(media)) return kind("text", true);
  if (media === "" && ["txt", "py", "r", "jl", "go", "rs", "js", "ts", "sql", "sh", "yaml", "yml", "toml", "ini", "cfg", "log", "xml", "html", "css", "proto", "jsonl", "ndjson"].includes(ending)) return kind("text", true);
  return null;
}

/** The rows of a file of separated values (RFC 4180), at most so many. */
export function parseRows(text: string, separator: string, most: number): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length && rows.length < most; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') field += c;
      else if (text[i + 1] === '"') field += text[++i];
      else quoted = false;
    } else if (c === '"' && field === "") quoted = true;
    else if (c === separator) {
      row.push(field);
      field = "";
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[i + 1] === "\n") i++;
      row.push(field);
      rows.push(row);
      row = [];
      field = "";
    } else field += c;
  }
  if (rows.length < most && (field !== "" || row.length > 0)) rows.push([...row, field]);
  return rows;
}

/** A cell of a notebook, and what came out of it. */
export interface Cell {
  kind: "markdown" | "code" | "raw";
  source: string;
  outputs: { text?: string; image?: string }[];
  count: number | null;
}

const joined = (value: unknown): string => (Array.isArray(value) ? value.filter((v) => typeof v === "string").join("") : typeof value === "string" ? value : "");

/** The cells of a Jupyter notebook; null for what is none. */
export function parseNotebook(text: string): Cell[] | null {
  let notebook: { cells?: unknown };
  try {
    notebook = JSON.parse(text);
  } catch {
    return null;
  }
  if (!notebook || !Array.isArray(notebook.cells)) return null;
  return notebook.cells.slice(0, 500).map((raw): Cell => {
    const cell = (raw ?? {}) as Record<string, unknown>;
    const outputs = Array.isArray(cell.outputs) ? cell.outputs : [];
    return {
      kind: cell.cell_type === "markdown" ? "markdown" : cell.cell_type === "code" ? "code" : "raw",
      source: joined(cell.source),
      count: typeof cell.execution_count === "number" ? cell.execution_count : null,
      outputs: outputs.map((o) => {
        const output = (o ?? {}) as Record<string, unknown>;
        const shown = (output.data ?? {}) as Record<string, unknown>;
        const png = joined(shown["image/png"]).replace(/\s/g, "");
        if (png && /^[A-Za-z0-9+/=]+$/.test(png)) return { image: `data:image/png;base64,${png}` };
        const trace = Array.isArray(output.traceback) ? output.traceback.join("\n") : "";
        return { text: withoutColours(joined(shown["text/plain"]) || joined(output.text) || trace).slice(0, 20_000) };
      }),
    };
  });
}

/** Takes out what terminals read as colours. */
function withoutColours(text: string): string {
  return text.replace(/\u001b\[[0-9;]*m/g, "");
}
