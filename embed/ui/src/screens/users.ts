import type { Schema } from "../api/client";
import type { operations } from "../api/schema";
import type { Column } from "../components/table";
import { session } from "../state/session.svelte";

export type User = Schema["User"];
export type Role = Schema["Role"];
export type UserSort = NonNullable<NonNullable<operations["listUsers"]["parameters"]["query"]>["sort"]>;

export const userColumns: Column[] = [
  { key: "name", label: "Name", width: 230, flexible: true, sort: "name", fixed: true },
  { key: "email", label: "E-mail", width: 230, sort: "email" },
  { key: "roles", label: "Roles", width: 220 },
  { key: "state", label: "State", width: 110 },
  { key: "last_login_at", label: "Last login", width: 120 },
  { key: "created_at", label: "Created", width: 120, sort: "created_at", first: "down" },
];

export const usualUserColumns = ["name", "email", "roles", "state", "last_login_at"];

export interface UserState {
  label: string;
  tone: "good" | "warn" | "plain" | "info";
}

/** How a user stands, in one word. */
export function stateOf(user: User): UserState {
  if (!user.is_active) return { label: "Disabled", tone: "warn" };
  if (user.is_service) return { label: "Service", tone: "info" };
  if (!user.has_password) return { label: "Invited", tone: "plain" };
  return { label: "Active", tone: "good" };
}

/** The permissions of a role that this session does not hold, so that it cannot hand them on. */
export function beyond(role: Role): string[] {
  return role.permissions.filter((p) => !session.can(p));
}

/** Where a one-time token is redeemed. It stands behind the #, which browsers send to nobody. */
export const redeemLink = (token: string) => `${location.origin}/redeem#${token}`;
