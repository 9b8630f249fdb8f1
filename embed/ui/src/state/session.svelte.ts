import type { components } from "../api/schema";
import { Problem, problemOf, unreachable } from "../api/problem";
import { recall, remember } from "./preferences";

type Schema = components["schemas"];

export interface Credentials {
  email: string;
  password: string;
  tenant?: string;
}

/** The access token is renewed this many seconds before it expires. */
const margin = 20;

/**
 * The login of this browser. The access token lives in this object and nowhere
 * else; the refresh token in a cookie that no script can read.
 */
class Session {
  /** Until the browser's cookie has been tried, nobody knows whether there is a session. */
  starting = $state(true);
  /** The installation waits for its first operator. */
  setupNeeded = $state(false);
  user = $state<Schema["User"] | null>(null);
  tenant = $state<Schema["OwnTenant"] | null>(null);
  operator = $state(false);
  permissions = $state<ReadonlySet<string>>(new Set());
  /** The server ended the session while somebody was at work in it. */
  expired = $state(false);
  /** Why the server could not say whether there is a session. */
  problem = $state<Problem | null>(null);

  #access = "";
  #expires = 0; // ms, by performance.now
  #renewal: Promise<string> | null = null;
  #tabs = "BroadcastChannel" in globalThis ? new BroadcastChannel("maestro.session") : null;

  constructor() {
    if (this.#tabs) this.#tabs.onmessage = ({ data }) => data === "ended" && this.#forget();
  }

  can(permission: string): boolean {
    return this.permissions.has(permission);
  }

  /** Continues the session that the browser's cookie names, if there is one. */
  async start(): Promise<void> {
    this.problem = null;
    this.starting = true;
    try {
      if (recall("session", false)) {
        await this.#exchange();
        if (this.#access) await this.#identify();
      }
      if (!this.user) this.setupNeeded = (await call<Schema["SetupState"]>("GET", "/setup")).needed;
    } catch (cause) {
      this.problem = cause instanceof Problem ? cause : unreachable();
    } finally {
      this.starting = false;
    }
  }

  async login(credentials: Credentials): Promise<void> {
    await this.#open(await call<Schema["Grant"]>("POST", "/login", { ...credentials, cookie: true }));
  }

  async setUp(operator: { setup_token: string; email: string; password: string; name: string }): Promise<void> {
    await this.#open(await call<Schema["Grant"]>("POST", "/setup", { ...operator, cookie: true }));
    this.setupNeeded = false;
  }

  /** Every session of the user ends, and this one goes on as a new one. */
  async changePassword(current: string, next: string): Promise<void> {
    const body = { current_password: current, new_password: next, cookie: true };
    this.#keep(await call<Schema["Grant"]>("POST", "/password", body, await this.accessToken()));
  }

  async logout({ everywhere = false } = {}): Promise<void> {
    await call("POST", everywhere ? "/logout-all" : "/logout", undefined, await this.accessToken());
    this.#tabs?.postMessage("ended");
    this.#forget();
  }

  /** Gives up a session that the server has ended already. */
  abandon(): void {
    this.#forget();
  }

  /** Reads who one is anew: roles may have changed. */
  async identify(): Promise<void> {
    await this.#identify();
  }

  /** A token that is good for the next request, or "" without a session. */
  async accessToken(): Promise<string> {
    if (this.#access && performance.now() > this.#expires) return this.renew(this.#access);
    return this.#access;
  }

  /** Replaces the token that was refused; "" when the session is over. */
  renew(refused: string): Promise<string> {
    if (refused !== this.#access) return Promise.resolve(this.#access); // replaced meanwhile
    this.#renewal ??= this.#exchange().finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  async #exchange(): Promise<string> {
    try {
      this.#keep(await call<Schema["Grant"]>("POST", "/refresh"));
    } catch (cause) {
      if (!(cause instanceof Problem) || cause.status !== 401) throw cause;
      this.#access = "";
      remember("session", null);
      this.expired = this.user !== null;
    }
    return this.#access;
  }

  async #open(grant: Schema["Grant"]): Promise<void> {
    const before = this.user?.id;
    this.#keep(grant);
    if (before && before !== grant.user.id) {
      location.assign("/"); // nothing of the other user may stay
      return;
    }
    await this.#identify();
    this.expired = false;
  }

  async #identify(): Promise<void> {
    const me = await call<Schema["Me"]>("GET", "/me", undefined, this.#access);
    this.permissions = new Set(me.permissions);
    this.tenant = me.tenant;
    this.operator = me.is_operator;
    this.user = me.user;
  }

  #keep(grant: Schema["Grant"]): void {
    this.#access = grant.access_token;
    this.#expires = performance.now() + (grant.expires_in - margin) * 1000;
    remember("session", true); // that there is a cookie to try, not what is in it
  }

  #forget(): void {
    this.#access = "";
    remember("session", null);
    this.user = null;
    this.tenant = null;
    this.operator = false;
    this.permissions = new Set();
    this.expired = false;
  }
}

/** Sends a request of the session's own: it never renews, which would go in circles. */
async function call<T>(method: string, path: string, body?: unknown, token?: string): Promise<T> {
  const headers: Record<string, string> = {};
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(`/api/v1/auth${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) }).catch(() => {
    throw unreachable();
  });
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? (undefined as T) : response.json();
}

export const session = new Session();
