import { onDestroy } from "svelte";

/** Every shortcut in one place, so that the sheet that `?` opens tells the truth. */
export interface Shortcut {
  keys: string[];
  text: string;
  group: "Everywhere" | "Go to" | "Lists";
}

export const command = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘" : "Ctrl";

export const shortcuts: Shortcut[] = [
  { keys: [command, "K"], text: "Find anything", group: "Everywhere" },
  { keys: ["?"], text: "Show these shortcuts", group: "Everywhere" },
  { keys: ["/"], text: "Go to the search or filter of the screen", group: "Everywhere" },
  { keys: ["C"], text: "Create what the screen lists", group: "Everywhere" },
  { keys: ["["], text: "Fold or unfold the navigation", group: "Everywhere" },
  { keys: ["J"], text: "Next row", group: "Lists" },
  { keys: ["K"], text: "Row before", group: "Lists" },
  { keys: ["X"], text: "Select the row", group: "Lists" },
  { keys: ["Enter"], text: "Open the row", group: "Lists" },
];

/** Whether the key is meant for a text field. */
export function typing(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement | null;
  if (!target) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "range"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

/** What `c` and `/` do on the screen in sight. */
class ScreenKeys {
  create: (() => void) | null = null;
  find: (() => void) | null = null;
}

export const screenKeys = new ScreenKeys();

/** Gives a key its work for as long as the screen that calls this is there. */
export function onScreenKey(key: keyof ScreenKeys, run: () => void): void {
  screenKeys[key] = run;
  onDestroy(() => {
    if (screenKeys[key] === run) screenKeys[key] = null;
  });
}
