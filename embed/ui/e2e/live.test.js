// What changes while one looks at it, and stays where one left it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { iso, seed } from "./seed.js";
import { client, email, login, openBrowser, openPage, setUp, startServer } from "./world.js";

let server, browser, send, page, faults, made;
const unharmed = () => assert.deepEqual(faults.splice(0), []);

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  made = await seed(send, { projects: 60 });
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/projects?sort=name");
  await login(page);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("live", () => {
  test("a list shows what others change, and keeps its place", async () => {
    const table = page.getByRole("table", { name: "Projects" });
    await table.locator("tbody a").first().waitFor();
    const box = page.locator(".box");
    await box.evaluate((b) => (b.scrollTop = 800));
    const place = () => box.evaluate((b) => b.scrollTop);
    const before = await place();
    assert.ok(before > 400, `the list scrolls to ${before} only`);
    const row = table.locator("tbody tr[data-index='25']");
    const name = await row.locator("a").innerText();
    const project = made.projects.find((p) => p.name === name);
    await page.getByRole("checkbox", { name: "Live" }).check();
    await page.waitForURL(/live=1/);
    await accessible(page, "a live list");
    await send("PATCH", `/projects/${project.id}`, { problem_class: "oceanography" });
    await row.getByText("Oceanography").waitFor();
    assert.equal(await place(), before);
    await page.getByRole("checkbox", { name: "Live" }).uncheck();
    unharmed();
  });

  test("a chart shows new points, and keeps its zoom", async () => {
    await page.goto(`/projects/${made.main.id}?tab=metrics&metric=commits`);
    const card = page.getByRole("region", { name: "commits_per_week", exact: true });
    await card.locator("canvas").waitFor();
    const over = card.locator(".u-over");
    const box = await over.boundingBox();
    const at = (part) => [box.x + box.width * part, box.y + box.height / 2];
    const leftmost = async () => {
      await page.mouse.move(...at(0.5));
      await page.mouse.move(...at(0.01));
      return card.locator(".chart-tip time").innerText();
    };
    const whole = await leftmost();
    await page.mouse.move(...at(0.6));
    await page.mouse.down();
    await page.mouse.move(...at(0.9), { steps: 4 });
    await page.mouse.up();
    const zoomed = await leftmost();
    assert.notEqual(zoomed, whole);
    await send("POST", "/metrics", { project_id: made.main.id, metric_type: "commits_per_week", metric_value: 99, timestamp: iso(Date.parse("2026-11-20T10:00:00Z")) });
    const answered = page.waitForResponse((r) => r.url().includes("/metrics?metric_type=commits_per_week"));
    await page.getByRole("checkbox", { name: "Live" }).check();
    await answered;
    await card.getByText("53 points").waitFor();
    assert.equal(await leftmost(), zoomed);
    await page.getByRole("checkbox", { name: "Live" }).uncheck();
    await over.dblclick({ position: { x: box.width / 2, y: box.height / 2 } });
    assert.equal(await leftmost(), whole);
    unharmed();
  });

  test("logging out everywhere ends the sessions of other browsers on their next request", async () => {
    const other = await openPage(browser, server.url);
    await other.page.goto("/projects");
    await login(other.page);
    await page.goto("/account");
    await page.getByRole("button", { name: "Log out everywhere" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Log in to Maestro" }).waitFor();
    await other.page.getByRole("button", { name: "Columns" }).waitFor();
    await other.page.getByRole("table", { name: "Projects" }).getByRole("button", { name: "Name" }).click();
    await other.page.getByRole("dialog", { name: "Your session has ended" }).waitFor();
    assert.deepEqual(other.faults, []);
    await other.context.close();
    send = await client(server.url, email);
    unharmed();
  });
});
