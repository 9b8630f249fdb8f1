// What one sees first: an empty installation, and one with a history.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { seed } from "./seed.js";
import { login, openBrowser, openPage, setUp, startServer } from "./world.js";

let server, browser, send, page, faults;

function unharmed() {
  assert.deepEqual(faults.splice(0), []);
}

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/");
  await login(page);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("an empty installation", () => {
  test("says how the first data gets in, with this server's address", async () => {
    await page.getByText("Nothing is recorded yet").waitFor();
    await page.getByText(`--url ${server.url}`).waitFor();
    await accessible(page, "beginning");
    await page.keyboard.press("c");
    await page.getByRole("dialog", { name: "New project" }).waitFor();
    await page.keyboard.press("Escape");
    unharmed();
  });

  test("is filled with real sample data by one click", async () => {
    await page.getByRole("button", { name: "Load sample data" }).focus();
    await page.keyboard.press("Enter");
    await page.getByText("81 real projects are here").waitFor({ timeout: 60_000 });
    await page.getByRole("heading", { name: "Success of finished projects" }).waitFor();
    const { items } = await send("GET", "/projects?limit=500&sort=name");
    assert.equal(items.length, 81);
    const first = items.find((p) => p.name === "Desharnais 1");
    assert.equal(first.compute_cost, 5152);
    assert.deepEqual(first.attributes, { transactions: 253, entities: 52, function_points: 305, team_experience_years: 1, manager_experience_years: 4 });
    const artifacts = (await send("GET", "/artifacts")).items;
    assert.equal(artifacts.reduce((sum, a) => sum + a.usage_count, 0), 81);
    await accessible(page, "home with the sample");
    unharmed();
  });
});

describe("home", () => {
  test("shows what needs attention, and leads there", async () => {
    await seed(send, { projects: 15 });
    await send("POST", "/projects", { name: "Left without a word", status: "completed" });
    await page.goto("/");
    const matters = page.getByRole("region", { name: "Needs attention" });
    await matters.getByText("The limit of projects is near").waitFor();
    await matters.getByRole("link", { name: /Left without a word/ }).click();
    await page.getByRole("heading", { level: 1, name: /Left without a word/ }).waitFor();
    unharmed();
  });

  test("shows success over time as a chart and as a table", async () => {
    await page.goto("/");
    const trend = page.getByRole("region", { name: "Success of finished projects" });
    const chart = trend.getByRole("img", { name: /Success scores of \d+ finished projects/ });
    await chart.waitFor();
    assert.ok((await chart.locator("circle").count()) >= 81);
    await accessible(page, "home");
    await trend.getByRole("button", { name: "Show the table" }).click();
    await trend.getByRole("table").waitFor();
    await accessible(page, "home, trend as a table");
    unharmed();
  });

  test("shows what helps most and the use against the limits", async () => {
    await page.getByRole("region", { name: "What helps most" }).getByRole("link").nth(1).waitFor();
    await page.getByRole("region", { name: "Use and limits" }).getByText("97").waitFor();
    unharmed();
  });
});
