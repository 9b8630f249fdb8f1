/** Where values stand on an axis, and which of them are written beside it. */
export type Kind = "number" | "log" | "time";

export interface Scale {
  kind: Kind;
  min: number;
  max: number;
}

/** A step of 1, 2 or 5 times a power of ten, with which about so many fit. */
export function niceStep(span: number, about: number): number {
  if (!(span > 0)) return 1;
  const rough = span / Math.max(1, about);
  const power = 10 ** Math.floor(Math.log10(rough));
  const unit = rough / power;
  return (unit <= 1.0001 ? 1 : unit <= 2 ? 2 : unit <= 5 ? 5 : 10) * power;
}

/** A scale that holds every value, widened to round ends. */
export function scaleOf(kind: Kind, values: number[], fixed: { min?: number; max?: number } = {}, about = 5): Scale {
  const fit = values.filter((v) => Number.isFinite(v) && (kind !== "log" || v > 0));
  let min = fixed.min ?? fit.reduce((a, b) => Math.min(a, b), Infinity);
  let max = fixed.max ?? fit.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!Number.isFinite(min) || !Number.isFinite(max)) [min, max] = kind === "log" ? [1, 10] : [0, 1];
  if (kind === "time") return min === max ? { kind, min: min - 43_200_000, max: max + 43_200_000 } : { kind, min, max };
  if (kind === "log") {
    const low = fixed.min ?? 10 ** Math.floor(Math.log10(min));
    const high = fixed.max ?? 10 ** Math.ceil(Math.log10(max));
    return { kind, min: low, max: high > low ? high : low * 10 };
  }
  if (min === max) {
    const by = Math.abs(min) / 10 || 1;
    [min, max] = [fixed.min ?? min - by, fixed.max ?? max + by];
  }
  const step = niceStep(max - min, about);
  return { kind, min: fixed.min ?? Math.floor(min / step + 1e-9) * step, max: fixed.max ?? Math.ceil(max / step - 1e-9) * step };
}

/** The place of a value between 0 and 1. */
export function place(scale: Scale, value: number): number {
  if (scale.kind === "log") return (Math.log10(value) - Math.log10(scale.min)) / (Math.log10(scale.max) - Math.log10(scale.min));
  return (value - scale.min) / (scale.max - scale.min);
}

const day = 86_400_000;

/** The values that are written at the axis, rising. */
export function ticks(scale: Scale, about = 5): number[] {
  if (scale.kind === "time") return timeTicks(scale.min, scale.max, about);
  if (scale.kind === "log") {
    const out: number[] = [];
    for (let power = Math.ceil(Math.log10(scale.min) - 1e-9); power <= Math.log10(scale.max) + 1e-9; power++) out.push(10 ** power);
    if (out.length >= 3) return out;
    const more = out.flatMap((v) => [v, 2 * v, 5 * v]).filter((v) => v <= scale.max * 1.000001);
    return more.length ? more : [scale.min, scale.max];
  }
  const step = niceStep(scale.max - scale.min, about);
  const out: number[] = [];
  for (let i = Math.ceil(scale.min / step - 1e-9); i * step <= scale.max + step * 1e-9; i++) out.push(Number((i * step).toPrecision(12)));
  return out;
}

/** Beginnings of days, months or years. */
function timeTicks(min: number, max: number, about: number): number[] {
  const span = max - min;
  const out: number[] = [];
  if (span < about * 20 * day) {
    const step = Math.max(1, Math.ceil(span / day / about)) * day;
    for (let t = Math.ceil(min / step) * step; t <= max; t += step) out.push(t);
    return out;
  }
  const months = [1, 2, 3, 6, 12, 24, 60, 120, 240].find((m) => span / (m * 30.44 * day) <= about) ?? 600;
  const start = new Date(min);
  let at = start.getUTCFullYear() * 12 + start.getUTCMonth();
  at = Math.ceil(at / months) * months;
  for (; ; at += months) {
    const t = Date.UTC(Math.floor(at / 12), at % 12, 1);
    if (t > max) return out;
    if (t >= min) out.push(t);
  }
}

/** How a time tick is written: the year where it begins, else the month, or the day. */
export function writeTime(t: number, span: number, locale?: string): string {
  const at = new Date(t);
  if (span > 4 * 365 * day) return String(at.getUTCFullYear());
  const format = (options: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat(locale, { ...options, timeZone: "UTC" }).format(at);
  if (span < 120 * day) return format({ day: "numeric", month: "short" });
  return at.getUTCMonth() === 0 ? String(at.getUTCFullYear()) : format({ month: "short" });
}
