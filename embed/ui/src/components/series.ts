/** Lines of values over time, as the charts draw them and files take them. */
export interface Series {
  name: string;
  /** Unix seconds, rising. */
  times: number[];
  values: number[];
  /** Around the values, where the line stands for several: between which they spread. */
  low?: number[];
  high?: number[];
}

/** How far the lines of a group spread: their standard deviation, or from the least to the most. */
export type Spread = "deviation" | "range";

/** Times that several lines can be read at, from the first of any to the last of any. */
export function commonTimes(series: Series[], steps = 300): number[] {
  let first = Infinity;
  let last = -Infinity;
  for (const s of series) {
    if (s.times.length === 0) continue;
    first = Math.min(first, s.times[0] as number);
    last = Math.max(last, s.times[s.times.length - 1] as number);
  }
  if (first > last) return [];
  if (first === last) return [first];
  return Array.from({ length: steps }, (_, i) => first + ((last - first) * i) / (steps - 1));
}

/**
 * The mean of lines at the given times and how far they spread there. Between its
 * points a line is straight; before its first and after its last it has no say.
 */
export function grouped(name: string, series: Series[], times: number[], spread: Spread): Series {
  const out = { name, times: [] as number[], values: [] as number[], low: [] as number[], high: [] as number[] };
  const at = series.map(() => 0); // the point before the time, for each line
  const slip = 1e-9 * Math.max(1, Math.abs(times[times.length - 1] ?? 0));
  for (const t of times) {
    const present: number[] = [];
    for (const [k, s] of series.entries()) {
      let i = at[k] as number;
      while (i + 1 < s.times.length && (s.times[i + 1] as number) <= t) i++;
      at[k] = i;
      const [t0, t1] = [s.times[i], s.times[i + 1]];
      const [v0, v1] = [s.values[i], s.values[i + 1]];
      if (t0 === undefined || v0 === undefined || t < t0 - slip) continue;
      if (t1 === undefined || v1 === undefined || t <= t0) {
        if (t <= t0 + slip) present.push(v0);
      } else present.push(v0 + ((v1 - v0) * (t - t0)) / (t1 - t0));
    }
    if (present.length === 0) continue;
    const mean = present.reduce((a, b) => a + b, 0) / present.length;
    const [least, most] = [Math.min(...present), Math.max(...present)];
    const deviation = present.length > 1 ? Math.sqrt(present.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (present.length - 1)) : 0;
    out.times.push(t);
    out.values.push(mean);
    out.low.push(spread === "range" ? least : mean - deviation);
    out.high.push(spread === "range" ? most : mean + deviation);
  }
  return out;
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
