// A project's webhooks, and the runs that they report.
import assert from "node:assert/strict";
import { createHmac, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { login, openBrowser, openPage, password, setUp, startServer } from "./world.js";

const attack = `"><img src=x onerror=alert(1)><script>alert(2)</script>{alert(3)}`;
let server, browser, send, page, faults, project;
const unharmed = () => assert.deepEqual(faults.splice(0), []);
const dialog = (name) => page.getByRole("dialog", { name });
const hooks = async () => (await send("GET", `/projects/${project.id}/hooks`)).items;

/** Delivers a run as Standard Webhooks says. */
async function deliver(address, secret, run) {
  const id = randomBytes(12).toString("hex");
  const now = Math.floor(Date.now() / 1000);
  const body = JSON.stringify(run);
  const signature = createHmac("sha256", Buffer.from(secret.replace(/^whsec_/, ""), "base64")).update(`${id}.${now}.${body}`).digest("base64");
  const headers = { "Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": String(now), "webhook-signature": `v1,${signature}` };
  return fetch(address, { method: "POST", headers, body });
}
const run = (n, rest = {}) => ({ run: `nightly-${n}`, name: "nightly", status: "success", finished_at: new Date(Date.now() - 60_000).toISOString(), duration_seconds: 90, branch: "main", commit_sha: "0123456789abcdef", ...rest });

/** The address and the secret that the dialog shows, read off its copy buttons. */
async function shown() {
  const [address, secret] = await dialog("The new webhook").locator("dd code").allInnerTexts();
  return { address, secret };
}

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  project = await send("POST", "/projects", { name: "Churn" });
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto(`/projects/${project.id}?tab=pipelines`);
  await login(page);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("webhooks", () => {
  test("are made by keyboard alone; the secret is shown once, and deliveries signed with it count", async () => {
    await page.getByText("No webhooks").waitFor();
    await accessible(page, "no webhooks");
    await page.keyboard.press("c");
    await dialog("New webhook").waitFor();
    await accessible(page, "new webhook");
    await page.keyboard.type("Nightly");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Anything");
    await page.keyboard.press("Shift+Tab");
    await page.keyboard.press("Enter");
    await dialog("The new webhook").waitFor();
    await accessible(page, "the secret");
    const { address, secret } = await shown();
    assert.equal(address, `${server.url}/api/v1/hooks/${(await hooks())[0].id}`);
    await page.keyboard.press("Escape"); // it must be answered
    await dialog("The new webhook").getByRole("button", { name: "I have kept it" }).focus();
    await page.keyboard.press("Enter");
    await dialog("The new webhook").waitFor({ state: "detached" });
    assert.ok(!(await page.content()).includes(secret), "the secret is still on the page");

    assert.equal((await deliver(address, secret, run(1))).status, 202);
    assert.equal((await deliver(address, `whsec_${"A".repeat(43)}=`, run(2))).status, 401);
    assert.equal((await deliver(address, secret, run(3, { status: "failure", deployment: true }))).status, 202);
    await page.reload();
    await page.getByText("2 deliveries").waitFor();
    const table = page.getByRole("table", { name: "Runs and deployments" });
    assert.deepEqual(await table.locator("tbody .state").allInnerTexts(), ["Failure", "Success"]);
    await table.getByText("To production").waitFor();
    await accessible(page, "webhooks and runs");
    unharmed();
  });

  test("are refused with the reason at its field", async () => {
    await page.getByRole("button", { name: "New webhook" }).click();
    await page.getByLabel("Name", { exact: true }).fill("GitLab");
    await page.getByLabel("Deliveries come from").selectOption("gitlab");
    await page.getByLabel("The provider has made the secret").check();
    await page.getByLabel("Secret", { exact: true }).fill("ü".repeat(40));
    await dialog("New webhook").getByRole("button", { name: "Create" }).click();
    await dialog("New webhook").getByRole("alert").waitFor();
    await accessible(page, "refused webhook");
    await page.getByLabel("Secret", { exact: true }).fill("s".repeat(40));
    await dialog("New webhook").getByRole("button", { name: "Create" }).click();
    await dialog("The new webhook").getByText("Pipeline events", { exact: false }).waitFor();
    assert.equal((await shown()).secret, "s".repeat(40));
    await dialog("The new webhook").getByRole("button", { name: "I have kept it" }).click();
    unharmed();
  });

  test("get a new secret while the old one still holds, and go after a question", async () => {
    await page.getByRole("button", { name: "More on Nightly" }).click();
    await page.getByRole("menuitem", { name: "Replace the secret" }).click();
    await accessible(page, "replace");
    await dialog("Replace “Nightly”").getByRole("button", { name: "Make the new one" }).click();
    await dialog("The new webhook").waitFor();
    const { address, secret } = await shown();
    await dialog("The new webhook").getByRole("button", { name: "I have kept it" }).click();
    assert.equal((await deliver(address, secret, run(4))).status, 202);
    const before = await hooks();
    assert.deepEqual(before.map((h) => h.name), ["Nightly", "GitLab", "Nightly"]);
    await page.getByRole("button", { name: "More on Nightly" }).first().click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await accessible(page, "delete a webhook");
    await dialog("Delete the webhook “Nightly”?").getByRole("button", { name: "Delete" }).click();
    await page.getByText("takes no more deliveries").waitFor();
    assert.deepEqual((await hooks()).map((h) => h.id), before.slice(1).map((h) => h.id));
    unharmed();
  });

  test("at most twenty, and the twenty-first is told apart from a failure", async () => {
    for (let i = (await hooks()).length; i < 20; i++) await send("POST", `/projects/${project.id}/hooks`, { name: `Hook ${i}`, provider: "generic" });
    await page.getByRole("button", { name: "New webhook" }).click();
    await page.getByLabel("Name", { exact: true }).fill("One too many");
    await dialog("New webhook").getByRole("button", { name: "Create" }).click();
    await dialog("New webhook").getByRole("alert").waitFor();
    assert.equal(await dialog("New webhook").locator(".failure.limit-reached").count(), 1);
    await page.keyboard.press("Escape");
    unharmed();
  });

  test("a script in any of their texts stays text", async () => {
    const other = await send("POST", "/projects", { name: "Hostile" });
    await send("POST", `/projects/${other.id}/hooks`, { name: attack, provider: "gitea", deployment_workflow: attack });
    await send("POST", `/projects/${other.id}/pipeline-runs`, run(5, { run: attack, name: attack, branch: attack, deployment: true, environment: attack }));
    await page.goto(`/projects/${other.id}?tab=pipelines`);
    await page.getByRole("table", { name: "Runs and deployments" }).getByText("onerror=alert(1)").first().waitFor();
    await page.getByRole("button", { name: /^More on/ }).click();
    await page.getByRole("menuitem", { name: "Delete" }).click();
    await dialog(/onerror/).waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.locator("img[src=x]").count(), 0);
    unharmed();
  });

  test("are out of reach of those who may not", async () => {
    await send("POST", "/users", { email: "viewer@acme.test", name: "Vera", roles: ["viewer"], password });
    const other = await openPage(browser, server.url);
    await other.page.goto(`/projects/${project.id}?tab=pipelines`);
    await login(other.page, "viewer@acme.test");
    await other.page.getByRole("heading", { name: "Runs and deployments" }).waitFor();
    assert.equal(await other.page.getByRole("heading", { name: "Webhooks" }).count(), 0);
    assert.deepEqual(other.faults, []);
    await other.context.close();
  });
});
