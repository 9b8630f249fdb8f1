import type { components } from "./schema";

type Document = components["schemas"]["Problem"];

/** A failure as the server describes it (RFC 9457), or as the browser does. */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly requestId: string;
  readonly errors: { location: string; message: string }[];
  readonly limit: { resource: string; limit: number; current: number } | null;
  /** Seconds to wait before trying again, when the server says so. */
  readonly retryAfter: number | null;

  constructor(document: Partial<Document>, retryAfter: number | null = null) {
    super(document.detail || document.title || "Something went wrong");
    this.code = document.type?.split("/").pop() ?? "unknown";
    this.status = document.status ?? 0;
    this.title = document.title ?? "Something went wrong";
    this.detail = document.detail ?? "";
    this.requestId = document.request_id ?? "";
    this.errors = document.errors ?? [];
    this.limit =
      document.limit === undefined ? null : { resource: document.resource ?? "", limit: document.limit, current: document.current ?? 0 };
    this.retryAfter = retryAfter;
  }

  /** What is wrong with a field of the request's body, or "". */
  at(field: string): string {
    return this.errors.find((e) => e.location === `body.${field}` || e.location === field)?.message ?? "";
  }

  get refused(): boolean {
    return this.code === "limit-reached" || this.code === "forbidden";
  }
}

/** The problem in an answer that is not a success. */
export async function problemOf(response: Response, body?: unknown): Promise<Problem> {
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const retryAfter = Number.isFinite(wait) ? wait : null;
  let document = body;
  if (document === undefined) document = await response.json().catch(() => null);
  if (document && typeof document === "object") return new Problem(document as Partial<Document>, retryAfter);
  return new Problem(
    {
      title: `The server answered ${response.status}`,
      status: response.status,
      detail: "Its answer could not be read.",
      request_id: response.headers.get("X-Request-Id") ?? undefined,
    },
    retryAfter,
  );
}

/** The server could not be reached at all. */
export function unreachable(): Problem {
  return new Problem({
    type: "unreachable",
    title: "The server cannot be reached",
    detail: "It is stopped, or the network between here and there is. Nothing was changed.",
  });
}

export function asProblem(cause: unknown): Problem {
  if (cause instanceof Problem) return cause;
  console.error(cause);
  return new Problem({ title: "This screen failed", detail: cause instanceof Error ? cause.message : String(cause) });
}
