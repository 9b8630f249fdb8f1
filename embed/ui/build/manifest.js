// Writes ../dist.sum: the hash of every file that the build is made of, and of
// every file that it made. embed/freshness_test.go compares it with what is
// there, so that Go alone notices a build that is out of date.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const embed = fileURLToPath(new URL("../..", import.meta.url));

/** What lies in ui and takes no part in the build. */
const apart = new Set(["ui/node_modules", "ui/e2e", "ui/src/api/schema.d.ts"]);

function* files(directory) {
  for (const entry of readdirSync(join(embed, directory), { withFileTypes: true })) {
    const name = `${directory}/${entry.name}`;
    if (apart.has(name) || entry.name.startsWith(".") || entry.name.endsWith(".test.ts")) continue;
    if (entry.isDirectory()) yield* files(name);
    else yield name.replaceAll(sep, "/");
  }
}

const lines = [...files("dist"), ...files("ui")].sort().map((name) => {
  const hash = createHash("sha256").update(readFileSync(join(embed, name))).digest("hex");
  return `${hash}  ${name}\n`;
});
writeFileSync(join(embed, "dist.sum"), lines.join(""));
