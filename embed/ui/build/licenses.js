// Gathers the licenses of what is built in, which their makers ask to be handed
// on with it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Vite plugin: writes licenses.txt from the packages whose code or files the bundle has. */
export function licenses() {
  return {
    name: "licenses",
    generateBundle(_, bundle) {
      const packages = new Set();
      for (const part of Object.values(bundle)) {
        const sources = part.type === "chunk" ? Object.keys(part.modules) : (part.originalFileNames ?? []);
        for (const source of sources) {
          const found = /^(.*node_modules\/((?:@[^/]+\/)?[^/]+))\//.exec(source.replaceAll("\\", "/").replace(/^\0/, ""));
          if (found) packages.add(JSON.stringify([found[2], found[1]]));
        }
      }
      const texts = [...packages]
        .map((text) => JSON.parse(text))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, directory]) => {
          const { version, license } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
          const file = readdirSync(directory).find((f) => /^licen[sc]e/i.test(f));
          const text = file ? readFileSync(join(directory, file), "utf8").replaceAll("\r\n", "\n").trim() : "";
          return `${name} ${version}${license ? ` (${license})` : ""}\n\n${text}\n`;
        });
      if (texts.length < 5) this.error(`only ${texts.length} packages found`);
      this.emitFile({ type: "asset", fileName: "licenses.txt", source: texts.join(`\n${"-".repeat(80)}\n\n`) });
    },
  };
}
