export type Theme = "system" | "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");

class Appearance {
  theme = $state<Theme>((document.documentElement.dataset.theme as Theme | undefined) ?? "system");
  #systemDark = $state(system.matches);

  constructor() {
    system.addEventListener("change", (event) => (this.#systemDark = event.matches));
  }

  get dark(): boolean {
    return this.theme === "dark" || (this.theme === "system" && this.#systemDark);
  }

  set(theme: Theme): void {
    this.theme = theme;
    const root = document.documentElement;
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      // theme.js reads this before the first paint, so it is plain text.
      if (theme === "system") localStorage.removeItem("maestro.theme");
      else localStorage.setItem("maestro.theme", theme);
    } catch {
      // Storage is switched off: the theme holds for this visit.
    }
  }
}

export const appearance = new Appearance();
