import { bytes, integer, nothing, number, time, words } from "../format";

/** The kinds of objects whose actions the trail of a tenant, and that of the installation, can name. */
export const tenantKinds = ["project", "member", "artifact", "usage", "metrics", "prediction", "user", "role", "api_token", "session", "hook", "access", "audit"] as const;
export const installationKinds = ["tenant", "operator", "installation", "key", "login", "backup", "setup", "link", "session", "access", "audit"] as const;

const past: Record<string, string> = {
  create: "created", update: "changed", delete: "deleted", upload: "uploaded content of", open: "opened", end: "ended", refresh: "refreshed", reuse: "reused",
  rotate: "rotated", retire: "retired", unlock: "unlocked", start: "started", complete: "completed", redeem: "redeemed", deny: "was refused", prune: "pruned",
  password: "set the password of", password_reset: "made a reset link for", revoke: "ended every session of", recover: "recovered", restore: "restored",
};

/** An action as a sentence's middle: project.create becomes “created a project”. */
export function actionInWords(action: string): string {
  const [kind = "", verb = ""] = action.split(".");
  if (action === "access.deny") return "was refused";
  if (action === "session.open") return "logged in";
  if (action === "session.end") return "ended a session";
  if (action === "audit.prune") return "removed old audit events";
  if (action === "metrics.create") return "recorded metrics";
  const noun = kind === "api_token" ? "API token" : words(kind).toLowerCase();
  const article = /^[aeio]/i.test(noun) ? "an" : "a";
  return `${past[verb] ?? words(verb).toLowerCase()} ${article} ${noun}`;
}

/** One field that changed. */
export interface Change {
  field: string;
  before: string;
  after: string;
}

/** What an event says changed, field by field, in their order. */
export function changes(before: Record<string, unknown> | null | undefined, after: Record<string, unknown> | null | undefined): Change[] {
  const fields = [...new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})])].sort();
  return fields.map((field) => ({ field, before: shown(field, before?.[field]), after: shown(field, after?.[field]) }));
}

function shown(field: string, value: unknown): string {
  if (value === null || value === undefined) return nothing;
  if (typeof value === "number") return /_bytes$/.test(field) ? bytes(value) : Number.isInteger(value) ? integer(value) : number(value);
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string") return /^\d{4}-\d\d-\d\dT/.test(value) ? time(value) : value;
  return JSON.stringify(value);
}

/** Where the object of an event is shown, if it is. */
export function objectHref(action: string, object: string): string | undefined {
  const kind = action.split(".")[0] ?? "";
  if (!/^[0-9a-f]{8}-/.test(object) || action.endsWith(".delete")) return undefined;
  const places: Record<string, string> = { project: "/projects/", artifact: "/library/", user: "/users/", metrics: "/projects/", tenant: "/tenants/" };
  return places[kind] ? places[kind] + object : undefined;
}
