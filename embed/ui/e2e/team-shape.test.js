// What the history says about teams.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { login, openBrowser, openPage, setUp, startServer } from "./world.js";

let server, browser, send, page, faults;
const unharmed = () => assert.deepEqual(faults.splice(0), []);
const region = (name) => page.getByRole("region", { name }).first();

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/team-shape");
  await login(page);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("team shape", () => {
  test("says so where there is nothing to learn from", async () => {
    await page.getByText("Nothing to learn from yet").waitFor();
    await accessible(page, "no team shape");
    unharmed();
  });

  test("shows success by size, roles and experience, for all and for one class", async () => {
    const project = (name, problem_class, team_size, model_performance) => send("POST", "/projects", { name, problem_class, status: "completed", team_size, model_performance, start_date: "2026-01-01", completion_date: "2026-03-01" });
    const member = (p, role, experience_level, contribution_hours) => send("POST", `/projects/${p.id}/members`, { name: `${role} ${experience_level}`, role, experience_level, contribution_hours });
    const made = [await project("One", "nlp", 2, 0.9), await project("Two", "nlp", 2, 0.8), await project("Three", "vision", 7, 0.3), await project("Four", "vision", 6, 0.5)];
    for (const [i, p] of made.entries()) {
      await member(p, "ml_engineer", "mid", 50 + 20 * i);
      await member(p, i < 2 ? "devops" : "analyst", i < 2 ? "senior" : "junior", 100);
    }
    await page.reload();
    const sizes = region("Team size");
    await sizes.getByText("2 projects").first().waitFor();
    await region("Roles").getByText("DevOps").waitFor();
    await accessible(page, "team shape");
    await region("Roles").getByRole("button", { name: "Show the table" }).click();
    const row = region("Roles").getByRole("row", { name: /^DevOps/ });
    const scores = new Map((await send("GET", "/projects?limit=10")).items.map((p) => [p.name, p.success_score]));
    const mean = (...names) => (names.reduce((sum, n) => sum + scores.get(n), 0) / names.length).toFixed(1);
    assert.deepEqual((await row.locator("td").allInnerTexts()).filter((_, i) => [0, 1, 4].includes(i)), ["2", mean("One", "Two"), mean("Three", "Four")]);

    await page.getByLabel("Problem class").focus();
    await page.getByLabel("Problem class").selectOption("vision");
    await page.waitForURL(/problem_class=vision/);
    await sizes.getByText("6 to 7").waitFor();
    await sizes.getByText("2 projects").waitFor();
    await region("Roles").getByText("DevOps").waitFor({ state: "detached" });
    await region("Hours and success").getByRole("img").waitFor();
    await accessible(page, "team shape of a class");
    unharmed();
  });
});
