// The README's picture, of the sample data that make run gives: npm run picture [path of a screen] [file]
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openBrowser, openPage, startServerIn } from "./world.js";

const [path = "/", picture = fileURLToPath(new URL("../../../docs/home.png", import.meta.url))] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), "maestro-picture-"));
const server = await startServerIn(dir, { extra: ["--demo"], cwd: dir });
const browser = await openBrowser();
try {
  // The operator is written down first, the tenants when they are filled.
  const file = join(dir, "demo-logins.json");
  const logins = () => (existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : []);
  for (const end = Date.now() + 120_000; logins().length < 4; ) {
    if (Date.now() > end) throw new Error("the sample data is not there after two minutes");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const { email, password } = logins().find((l) => l.email === "admin@maxwell.example");
  const { page, faults } = await openPage(browser, server.url);
  await page.goto(path);
  await page.getByLabel("E-mail").fill(email);
  await page.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
  await page.locator("main a").first().waitFor();
  await page.waitForLoadState("networkidle");
  await page.waitForFunction(() => !document.querySelector("main [aria-label=Loading]"));
  await page.waitForTimeout(300);
  await page.screenshot({ path: picture });
  for (const fault of faults) console.error(fault);
} finally {
  await browser.close();
  await server.stop();
  rmSync(dir, { recursive: true });
}
