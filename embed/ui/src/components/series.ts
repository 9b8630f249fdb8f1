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

/**
 * Series on one time axis, as a chart takes them: the times, and for each series
 * its value at each time or null. Where that would be more times than `most`,
 * times are rounded to a grid of so many; of values that meet there, the one
 * farther from the value before stays, so that peaks are not lost.
 */
export function aligned(series: Series[], most = 4000): [number[], ...(number | null)[][]] {
  const exact = new Set<number>();
  for (const s of series) for (const t of s.times) exact.add(t);
  let times = [...exact].sort((a, b) => a - b);
  const first = times[0] ?? 0;
  const last = times[times.length - 1] ?? 0;
  const gridded = times.length > most;
  const step = (last - first) / (most - 1);
  if (gridded) times = Array.from({ length: most }, (_, i) => first + i * step);
  const slot = new Map(gridded ? [] : times.map((t, i) => [t, i]));
  const columns = series.map((s) => {
    const column = new Array<number | null>(times.length).fill(null);
    let before: number | null = null; // the value in the slot before the current one
    let current = -1;
    for (const [n, t] of s.times.entries()) {
      const i = gridded ? Math.round((t - first) / step) : (slot.get(t) ?? 0);
      const value = s.values[n] ?? 0;
      const there = column[i] ?? null;
      if (i !== current) {
        before = current >= 0 ? (column[current] ?? null) : null;
        current = i;
      }
      if (there === null || before === null || Math.abs(value - before) > Math.abs(there - before)) column[i] = value;
    }
    return column;
  });
  return [times, ...columns];
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
