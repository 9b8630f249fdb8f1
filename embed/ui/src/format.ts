/** How values are written. Everything is in the reader's language and time zone, and "–" stands for nothing. */

export const nothing = "–";

const locale = navigator.language;
const plain = new Intl.NumberFormat(locale, { maximumFractionDigits: 2 });
const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const compactNumber = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const precise = new Intl.NumberFormat(locale, { maximumSignificantDigits: 5 });
const day = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", day: "numeric" });
const dayUTC = new Intl.DateTimeFormat(locale, { year: "numeric", month: "short", day: "numeric", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });

type Maybe<T> = T | null | undefined;

function written<T>(value: Maybe<T>, write: (value: T) => string): string {
  return value === null || value === undefined ? nothing : write(value);
}

export const number = (n: Maybe<number>) => written(n, (n) => plain.format(n));
export const integer = (n: Maybe<number>) => written(n, (n) => whole.format(n));
export const score = (n: Maybe<number>) => written(n, (n) => tenth.format(n));
export const compact = (n: Maybe<number>) => written(n, (n) => compactNumber.format(n));
export const measured = (n: Maybe<number>) => written(n, (n) => precise.format(n));

/** The day of a moment, where the reader is. */
export const date = (t: Maybe<string>) => written(t, (t) => day.format(new Date(t)));
/** The day that somebody wrote down: the same for every reader. */
export const calendarDate = (t: Maybe<string>) => written(t, (t) => dayUTC.format(new Date(t)));
export const time = (t: Maybe<string>) => written(t, (t) => moment.format(new Date(t)));

const steps: [Intl.RelativeTimeFormatUnit, number][] = [
  ["year", 365.25 * 86400],
  ["month", 30.44 * 86400],
  ["week", 7 * 86400],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** How long ago, or until when. */
export function ago(t: Maybe<string>, now = Date.now()): string {
  return written(t, (t) => {
    const seconds = (Date.parse(t) - now) / 1000;
    for (const [unit, size] of steps) {
      if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
    }
    return relative.format(0, "second");
  });
}

const byteUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(n: Maybe<number>): string {
  return written(n, (n) => {
    let unit = 0;
    while (n >= 1024 && unit < byteUnits.length - 1) {
      n /= 1024;
      unit++;
    }
    return `${n >= 100 || unit === 0 ? whole.format(n) : tenth.format(n)} ${byteUnits[unit]}`;
  });
}

/** Whole days between two moments. */
export function days(from: Maybe<string>, to: Maybe<string>): number | null {
  if (!from || !to) return null;
  return Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);
}

/** A word of the API as people read it: feature_pipeline becomes Feature pipeline. */
export function words(word: Maybe<string>): string {
  return written(word, (word) => {
    if (word === "nlp") return "NLP";
    const text = word.replaceAll("_", " ");
    const sentence = text.charAt(0).toUpperCase() + text.slice(1);
    return sentence.replace(/^Ml /, "ML ").replace(/^Devops$/, "DevOps");
  });
}

export const count = (n: number, one: string, many = `${one}s`) => `${whole.format(n)} ${n === 1 ? one : many}`;

/** A length of time in seconds, in the greatest unit of which it has some. */
export function span(seconds: number): string {
  const units: [string, number][] = [["d", 86_400], ["h", 3600], ["min", 60]];
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size) ?? ["s", 1];
  return seconds === 0 ? "0" : `${tenth.format(seconds / size).replace(/[.,]0$/, "")} ${unit}`;
}
