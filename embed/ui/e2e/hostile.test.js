// A script in any text that is stored stays text, wherever it is shown.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { login, openBrowser, openPage, password, setUp, startServer } from "./world.js";

const attack = `"><img src=x onerror=alert(1)><script>alert(2)</script>{alert(3)}`;
let server, browser, send, page, faults;

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  ({ page, faults } = await openPage(browser, server.url));
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test("in people, roles, tokens, tenants, comparisons and predictions", async () => {
  await send("POST", "/roles", { name: "hostile", description: attack, permissions: ["projects:view"] });
  const { user } = await send("POST", "/users", { email: "hostile@acme.test", name: attack, roles: ["hostile"], password });
  const bot = (await send("POST", "/users", { email: "bot@acme.test", name: `bot ${attack}`, roles: ["viewer"], is_service: true })).user;
  await send("POST", "/auth/tokens", { name: attack, scopes: ["projects:view"], user_id: bot.id, expires_at: new Date(Date.now() + 5 * 86_400_000).toISOString() });
  await send("POST", "/auth/tokens", { name: attack, scopes: ["projects:view"], expires_at: new Date(Date.now() + 5 * 86_400_000).toISOString() });
  const tenant = await send("POST", "/tenants", { name: attack, slug: "hostile" });
  const made = [];
  for (let i = 0; i < 12; i++) {
    const project = await send("POST", "/projects", {
      name: `${attack} ${i}`,
      status: i < 11 ? "completed" : "active",
      start_date: "2026-01-01",
      completion_date: i < 11 ? `2026-03-${10 + i}` : undefined,
      model_performance: 0.5 + i / 30,
      compute_cost: 100 * (i + 1),
      attributes: { [attack]: i % 2 ? attack : "plain", size: i },
    });
    await send("POST", `/projects/${project.id}/members`, { name: attack, role: "other", experience_level: "mid", contribution_hours: 10 });
    await send("POST", "/metrics", { project_id: project.id, metric_type: attack.slice(0, 99), metric_value: i });
    made.push(project);
  }
  const artifact = await send("POST", "/artifacts", { name: attack, type: "report", version: "1" });
  for (const p of made) await send("POST", `/artifacts/${artifact.id}/use`, { project_id: p.id });
  const last = made[made.length - 1];
  await send("POST", "/predictions", { project_id: last.id });

  await page.goto("/");
  await login(page);
  const pair = `${made[0].id},${made[1].id}`;
  const paths = ["/", "/users", `/users/${user.id}`, "/tokens", "/tenants", `/tenants/${tenant.id}`, `/compare?ids=${pair}`, `/compare?ids=${pair}&tab=metrics`, "/team-shape", "/insight", "/insight?tab=predictor", "/projects?q=onerror", "/library?q=onerror", `/projects/${last.id}?tab=predictions`];
  for (const path of paths) {
    await page.goto(path);
    await page.getByRole("main").waitFor();
    if (path.includes("team-shape")) await page.getByRole("region", { name: "Hours and success" }).getByRole("button", { name: "Show the table" }).click();
    if (path.includes("predictor")) await page.getByRole("region", { name: "Predicted against what happened" }).first().getByRole("button", { name: "Show the table" }).click();
    await page.getByText("onerror=alert(1)").first().waitFor({ state: "attached" });
    assert.equal(await page.locator("img[src=x]").count(), 0, path);
    assert.deepEqual(faults.splice(0), [], path);
  }
  await page.goto("/roles");
  await page.getByRole("columnheader", { name: /Hostile/ }).waitFor();
  assert.equal(await page.locator(".name[title*=onerror]").count(), 1);
  assert.equal(await page.locator("img[src=x]").count(), 0);
  assert.deepEqual(faults.splice(0), []);
});
