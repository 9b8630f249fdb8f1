// Projects side by side, by keyboard and mouse.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { login, openBrowser, openPage, setUp, startServer } from "./world.js";

let server, browser, send, page, faults, made;

function unharmed() {
  assert.deepEqual(faults.splice(0), []);
}
const region = (name) => page.getByRole("region", { name });

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  made = [];
  const of = (name, fields) => send("POST", "/projects", { name, status: "completed", problem_class: "vision", start_date: "2026-01-01", ...fields }).then((p) => made.push(p));
  await of("Weld inspection", { team_size: 3, complexity_score: 40, model_performance: 0.91, compute_cost: 900, completion_date: "2026-03-02", attributes: { gpu_hours: 120, labelled: true } });
  await of("Shelf gaps", { team_size: 5, complexity_score: 55, model_performance: 0.84, compute_cost: 400, completion_date: "2026-02-10", attributes: { gpu_hours: 60, labelled: true } });
  await of("Drone surveys", { team_size: 2, complexity_score: 55, model_performance: 0.7, completion_date: "2026-06-01", attributes: { gpu_hours: 300 } });
  const points = [];
  for (const [i, p] of made.entries()) {
    for (let n = 0; n < 300; n++) {
      const timestamp = new Date(Date.UTC(2026, i, 1) + n * 60_000).toISOString();
      points.push({ project_id: p.id, metric_type: "train/loss", metric_value: 2 / (n + 1) + i, timestamp });
      if (i < 2) points.push({ project_id: p.id, metric_type: "eval/accuracy", metric_value: n / 300, timestamp });
    }
  }
  await send("POST", "/metrics/batch", points);
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/projects?sort=name");
  await login(page);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("comparing", () => {
  test("begins with a selection by keyboard", async () => {
    await page.getByRole("table", { name: "Projects" }).locator("tbody a").first().waitFor();
    for (const key of ["j", "x", "j", "x", "j", "x"]) await page.keyboard.press(key);
    await page.getByRole("button", { name: "Compare" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/compare\?ids=/);
    await region("What differs").waitFor();
    await accessible(page, "comparison");
    unharmed();
  });

  test("shows only what differs, and marks the best", async () => {
    const table = page.getByRole("table", { name: "What differs" });
    const rows = await table.locator("tbody tr:not(.group) th").allInnerTexts();
    assert.ok(rows.includes("Compute cost") && rows.includes("gpu_hours") && rows.includes("labelled"), rows.join());
    assert.ok(!rows.includes("Problem class") && !rows.includes("Status") && !rows.includes("Start"), rows.join());
    const best = async (name) => (await table.getByRole("row", { name: new RegExp(`^${name}`) }).locator("td.best").allInnerTexts()).map((t) => t.trim().split(/\s/)[0]);
    assert.deepEqual(await best("Compute cost"), ["400"]);
    assert.deepEqual(await best("Model performance"), ["0.91"]);
    assert.deepEqual(await best("Team size"), []);
    await page.getByRole("checkbox", { name: "Differences only" }).uncheck();
    await page.getByRole("table", { name: "Everything" }).getByRole("row", { name: /^Problem class/ }).waitFor();
    await page.waitForURL(/all=1/);
    unharmed();
  });

  test("draws parallel coordinates and the parts of the score, each with a table", async () => {
    await region("Side by side").getByRole("img", { name: /3 projects on/ }).waitFor();
    await region("What the success is made of").getByText("Model performance").waitFor();
    for (const name of ["Side by side", "What the success is made of"]) {
      await region(name).first().getByRole("button", { name: "Show the table" }).click();
      assert.equal(await region(name).first().locator("tbody tr").count(), 3);
    }
    await accessible(page, "comparison as tables");
    unharmed();
  });

  test("overlays curves of every metric type", async () => {
    await page.getByRole("link", { name: "Metrics" }).click();
    const loss = region("train/loss").first();
    await loss.locator("canvas").waitFor();
    await loss.getByText("3 projects").waitFor();
    await region("eval/accuracy").first().getByText("2 projects of 3").waitFor();
    await accessible(page, "curves");
    await loss.getByRole("button", { name: "Show the table" }).click();
    await loss.getByRole("row", { name: /A / }).waitFor();
    await page.getByLabel("Filter metrics").fill("accuracy");
    await loss.waitFor({ state: "detached" });
    unharmed();
  });

  test("groups curves by what projects share, with mean and spread, and the address says so", async () => {
    await page.getByLabel("Filter metrics").fill("");
    const loss = region("train/loss").first();
    await page.getByLabel("Group by").selectOption("labelled");
    await page.waitForURL(/group=attributes.labelled/);
    await loss.getByText("3 projects, in 2 groups").waitFor();
    await loss.getByRole("img", { name: /^Mean and spread of train\/loss/ }).waitFor();
    assert.deepEqual((await loss.locator(".legend li").allInnerTexts()).map((t) => t.trim().replace(/\s+/g, " ")).sort(), ["not given 1", "true 2"]);
    await accessible(page, "grouped curves");
    await page.getByRole("combobox", { name: "Spread" }).selectOption("range");
    await page.waitForURL(/spread=range/);
    await page.getByLabel("Smoothing").focus();
    for (let i = 0; i < 5; i++) await page.keyboard.press("ArrowRight");
    await page.getByLabel("Log scale").check();
    await page.reload();
    await loss.getByText("3 projects, in 2 groups").waitFor();
    assert.equal(await page.getByRole("combobox", { name: "Spread" }).inputValue(), "range");
    await loss.locator("canvas").waitFor();
    await loss.getByRole("button", { name: "Show the table" }).click();
    assert.equal(await loss.locator("tbody tr").count(), 2);
    const file = page.waitForEvent("download");
    await loss.getByRole("button", { name: "Download the table as CSV" }).click();
    let csv = "";
    for await (const chunk of await (await file).createReadStream()) csv += chunk;
    assert.match(csv, /^Group,First,Last,Least,Mean,Most\r\n/);
    assert.equal(csv.trim().split("\r\n").length, 3);
    unharmed();
  });

  test("reads the curves anew while live", async () => {
    const asked = page.waitForRequest(/\/metrics\?metric_type=/);
    await page.getByLabel("Live").check();
    await asked;
    await page.getByLabel("Live").uncheck();
    unharmed();
  });

  test("takes projects out and in, and its address can be shared", async () => {
    await page.goto(`/compare?ids=${made[0].id},${made[1].id}`);
    await page.getByRole("button", { name: "Take Shelf gaps out" }).click();
    await page.getByText("Add another project").waitFor();
    await page.getByRole("button", { name: "Add a project" }).click();
    await page.getByPlaceholder("Name of the project").fill("Drone");
    await accessible(page, "adding a project");
    await page.getByPlaceholder("Name of the project").press("Enter");
    await region("What differs").waitFor();
    assert.equal(new URL(page.url()).searchParams.get("ids"), `${made[0].id},${made[2].id}`);
    await page.goBack();
    await page.getByText("Add another project").waitFor();
    unharmed();
  });
});
