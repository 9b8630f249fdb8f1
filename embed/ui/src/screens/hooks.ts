import type { Schema } from "../api/client";

export type Hook = Schema["Hook"];
export type HookProvider = Schema["HookFields"]["provider"];

interface Provider {
  name: string;
  /** Who sends, where a hook is listed. */
  sends: string;
  /** Where a hook is entered at the provider. */
  where: string;
  /** What is entered there beside the address and the secret. */
  enter: string[];
}

/** Whose deliveries a hook can read, and how each is set up (docs/pipelines.md). */
export const providers: Record<HookProvider, Provider> = {
  github: { name: "GitHub", sends: "GitHub", where: "Settings → Webhooks → Add webhook", enter: ["Content type: application/json", "Events: Workflow runs, Deployment statuses, Pushes"] },
  gitlab: { name: "GitLab", sends: "GitLab", where: "Settings → Webhooks → Add new webhook", enter: ["The secret as the signing token; in versions without one, as the secret token", "Triggers: Pipeline events, Deployment events, Push events"] },
  gitea: { name: "Gitea", sends: "Gitea", where: "Settings → Webhooks → Add webhook → Gitea", enter: ["Content type: application/json", "Events: Workflow Run and Push (Gitea 1.24 or later)"] },
  forgejo: { name: "Forgejo", sends: "Forgejo", where: "Settings → Webhooks → Add webhook → Forgejo", enter: ["Content type: application/json", "Events: Action Run Success, Failure and Recover, and Push"] },
  generic: { name: "Anything else", sends: "Standard Webhooks", where: "Whatever reports your runs", enter: ["Signed as Standard Webhooks says; the documentation has a script"] },
};

export const providerOf = (name: string): Provider => providers[name as HookProvider] ?? providers.generic;

export const providerNames = Object.entries(providers).map(([key, p]) => ({ key: key as HookProvider, name: p.name }));

/** The address that a provider sends to. */
export const hookAddress = (path: string, origin = location.origin) => origin + path;
