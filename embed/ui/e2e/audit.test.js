// Who did what: the tenant's trail and the installation's.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { client, email, login, openBrowser, openPage, password, setUp, startServer } from "./world.js";

let server, browser, send, page, faults, project;
const unharmed = () => assert.deepEqual(faults.splice(0), []);
const rows = () => page.locator("tbody tr[data-index]");

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  project = await send("POST", "/projects", { name: "Watched" });
  await send("PATCH", `/projects/${project.id}`, { team_size: 4 });
  await send("POST", "/users", { email: "grace@acme.test", name: "Grace Hopper", roles: ["viewer"], password });
  const grace = await client(server.url, "grace@acme.test");
  await grace("POST", "/projects", { name: "Not hers to make" }).catch(() => {});
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/audit");
  await login(page);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("the audit trail", () => {
  test("names who did what, and shows what changed", async () => {
    await page.getByRole("table", { name: "Audit events" }).waitFor();
    await page.getByRole("row", { name: /Ada Lovelace.*created a project/ }).waitFor();
    await accessible(page, "audit trail");
    await page.getByRole("button", { name: "changed a project" }).first().focus();
    await page.keyboard.press("Enter");
    const detail = page.getByRole("dialog", { name: "Ada Lovelace changed a project" });
    const row = detail.getByRole("row", { name: /team_size/ });
    assert.deepEqual(await row.locator("td").allInnerTexts(), ["–", "4"]);
    await accessible(page, "audit event");
    await page.keyboard.press("Escape");
    unharmed();
  });

  test("is filtered by kind and outcome, and the address says how", async () => {
    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByRole("menuitem", { name: "Outcome" }).click();
    await page.waitForURL(/outcome=denied/);
    await page.keyboard.press("Escape");
    await page.getByRole("row", { name: /Grace Hopper.*was refused/ }).waitFor();
    assert.deepEqual([...new Set(await page.locator("tbody .denied, tbody .done").allInnerTexts())], ["Refused"]);
    await accessible(page, "refusals");
    await page.goto("/audit?action=project");
    await page.getByRole("row", { name: /created a project/ }).waitFor();
    assert.equal(await rows().count(), 2);
    await page.goto(`/audit?object=${project.id}&action=user`);
    await page.getByText("No event fits these filters").waitFor();
    unharmed();
  });

  test("of the installation is the operator's", async () => {
    await send("POST", "/tenants", { name: "Borealis", slug: "borealis" });
    await page.goto("/audit");
    await page.getByRole("link", { name: "The installation" }).click();
    await page.getByRole("row", { name: /created a tenant/ }).waitFor();
    await accessible(page, "the installation's trail");
    unharmed();
  });

  test("of a project is its activity", async () => {
    await page.goto(`/projects/${project.id}?tab=activity`);
    await page.getByRole("row", { name: /changed a project/ }).waitFor();
    assert.equal(await rows().count(), 2);
    await accessible(page, "activity");
    unharmed();
  });

  test("is out of sight of those who may not read it", async () => {
    const other = await openPage(browser, server.url);
    await other.page.goto(`/projects/${project.id}`);
    await login(other.page, "grace@acme.test");
    assert.equal(await other.page.getByRole("link", { name: "Activity" }).count(), 0);
    assert.equal(await other.page.getByRole("link", { name: "Audit trail" }).count(), 0);
    assert.deepEqual(other.faults, []);
    await other.context.close();
  });
});
