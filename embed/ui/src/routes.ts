import type { Component } from "svelte";
import Building2 from "@lucide/svelte/icons/building-2";
import FolderKanban from "@lucide/svelte/icons/folder-kanban";
import House from "@lucide/svelte/icons/house";
import Gauge from "@lucide/svelte/icons/gauge";
import FileSearch from "@lucide/svelte/icons/file-search";
import GitCompareArrows from "@lucide/svelte/icons/git-compare-arrows";
import Sparkles from "@lucide/svelte/icons/sparkles";
import Server from "@lucide/svelte/icons/server";
import KeyRound from "@lucide/svelte/icons/key-round";
import Library from "@lucide/svelte/icons/library";
import ShieldCheck from "@lucide/svelte/icons/shield-check";
import UsersRound from "@lucide/svelte/icons/users-round";
import Users from "@lucide/svelte/icons/users";

type Load = () => Promise<{ default: Component<any> }>;

export interface Screen {
  pattern: string;
  title: string;
  load: Load;
  /** Where it stands in the navigation. */
  section?: string;
}

/** A screen's code is loaded when it is first shown. */
export const screens: Screen[] = [
  { pattern: "/", title: "Home", section: "/", load: () => import("./screens/Home.svelte") },
  { pattern: "/projects", title: "Projects", section: "/projects", load: () => import("./screens/Projects.svelte") },
  { pattern: "/projects/:id", title: "Project", section: "/projects", load: () => import("./screens/Project.svelte") },
  { pattern: "/library", title: "Library", section: "/library", load: () => import("./screens/Library.svelte") },
  { pattern: "/library/:id", title: "Artifact", section: "/library", load: () => import("./screens/Artifact.svelte") },
  { pattern: "/insight", title: "Predict", section: "/insight", load: () => import("./screens/Insight.svelte") },
  { pattern: "/compare", title: "Compare", section: "/compare", load: () => import("./screens/Compare.svelte") },
  { pattern: "/team-shape", title: "Team shape", section: "/team-shape", load: () => import("./screens/TeamShape.svelte") },
  { pattern: "/users", title: "Users", section: "/users", load: () => import("./screens/Users.svelte") },
  { pattern: "/users/:id", title: "User", section: "/users", load: () => import("./screens/User.svelte") },
  { pattern: "/roles", title: "Roles", section: "/roles", load: () => import("./screens/Roles.svelte") },
  { pattern: "/tokens", title: "API tokens", section: "/tokens", load: () => import("./screens/AllTokens.svelte") },
  { pattern: "/audit", title: "Audit trail", section: "/audit", load: () => import("./screens/Audit.svelte") },
  { pattern: "/limits", title: "Limits and use", section: "/limits", load: () => import("./screens/Limits.svelte") },
  { pattern: "/account", title: "Account", load: () => import("./screens/Account.svelte") },
  { pattern: "/system", title: "System", section: "/system", load: () => import("./screens/System.svelte") },
  { pattern: "/tenants", title: "Tenants", section: "/tenants", load: () => import("./screens/Tenants.svelte") },
  { pattern: "/tenants/:id", title: "Tenant", section: "/tenants", load: () => import("./screens/Tenant.svelte") },
];

export interface Place {
  href: string;
  label: string;
  icon: Component<any>;
  keys?: string;
  /** The permission that it needs; "operator" for the operator's. */
  needs?: string;
}

export const navigation: { heading: string; places: Place[] }[] = [
  {
    heading: "",
    places: [
      { href: "/", label: "Home", icon: House, keys: "h" },
      { href: "/projects", label: "Projects", icon: FolderKanban, keys: "p", needs: "projects:view" },
      { href: "/library", label: "Library", icon: Library, keys: "l", needs: "artifacts:view" },
    ],
  },
  {
    heading: "Insight",
    places: [
      { href: "/insight", label: "Predict", icon: Sparkles, keys: "i", needs: "predictions:view" },
      { href: "/compare", label: "Compare", icon: GitCompareArrows, keys: "c", needs: "projects:view" },
      { href: "/team-shape", label: "Team shape", icon: UsersRound, keys: "s", needs: "projects:view" },
    ],
  },
  {
    heading: "Administration",
    places: [
      { href: "/users", label: "Users", icon: Users, keys: "u", needs: "users:view" },
      { href: "/roles", label: "Roles", icon: ShieldCheck, keys: "r", needs: "roles:view" },
      { href: "/tokens", label: "API tokens", icon: KeyRound, needs: "tokens:view" },
      { href: "/audit", label: "Audit trail", icon: FileSearch, keys: "a", needs: "audit:view" },
      { href: "/limits", label: "Limits and use", icon: Gauge, needs: "limits:view" },
    ],
  },
  {
    heading: "Installation",
    places: [
      { href: "/tenants", label: "Tenants", icon: Building2, keys: "t", needs: "operator" },
      { href: "/system", label: "System", icon: Server, keys: "y", needs: "operator" },
    ],
  },
];
