/** Lines of values over time, as the charts draw them and files take them. */
export interface Series {
  name: string;
  /** Unix seconds, rising. */
  times: number[];
  values: number[];
}

/**
 * Exponential moving mean, corrected for its start, so that the first values are
 * not drawn towards zero (Kingma and Ba, Adam, 2015, section 3). Weight 0 is off,
 * towards 1 smoother.
 */
export function smooth(values: number[], weight: number): number[] {
  if (weight <= 0) return values;
  let mean = 0;
  let bias = 1;
  return values.map((value) => {
    mean = weight * mean + (1 - weight) * value;
    bias *= weight;
    return mean / (1 - bias);
  });
}

/** A value as a field of a CSV file. Spreadsheets run what begins like a formula, so such text is quoted away. */
export function csvField(value: string | number): string {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csv(head: string[], rows: (string | number)[][]): string {
  return [head, ...rows].map((row) => row.map(csvField).join(",")).join("\r\n") + "\r\n";
}

/** Offers text as a file. */
export function download(name: string, text: string, type = "text/csv"): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
  link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
