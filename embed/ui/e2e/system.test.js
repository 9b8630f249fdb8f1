// What the operator sees of the installation, and does to it.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { client, email, login, openBrowser, openPage, password, setUp, startServer } from "./world.js";

let server, browser, send, page, faults;
const unharmed = () => assert.deepEqual(faults.splice(0), []);
const dialog = (name) => page.getByRole("dialog", { name });

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/system");
  await login(page);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("the system", () => {
  test("says what runs and how it is", async () => {
    const info = await send("GET", "/system/info");
    await page.getByText("Ready", { exact: true }).waitFor();
    await page.getByRole("main").getByText(info.version, { exact: true }).waitFor();
    await accessible(page, "health");
    unharmed();
  });

  test("unlocks a login", async () => {
    await page.getByLabel("E-mail").focus();
    await page.keyboard.type("locked@acme.test");
    await page.keyboard.press("Enter");
    await page.getByText("Logins of locked@acme.test").waitFor();
    unharmed();
  });

  test("is backed up by keyboard, and the list follows", async () => {
    await page.getByRole("link", { name: "Backups" }).click();
    await page.getByText("No backups yet").waitFor();
    await accessible(page, "no backups");
    await page.getByRole("button", { name: "Back up now" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("row").getByText("Good").waitFor({ timeout: 30_000 });
    assert.equal((await send("GET", "/system/backups")).items[0].status, "good");
    await accessible(page, "backups");
    unharmed();
  });

  test("rotates its signing keys and retires one, and nobody is logged out", async () => {
    await page.getByRole("link", { name: "Signing keys" }).click();
    await page.getByRole("row").getByText("Signs").waitFor();
    await accessible(page, "keys");
    await page.getByRole("button", { name: "Rotate keys" }).click();
    await dialog("Rotate the signing keys?").getByRole("button", { name: "Rotate" }).click();
    await page.getByRole("row").getByText("Verifies").waitFor();
    await page.getByRole("button", { name: "Refuse from now on" }).click();
    await accessible(page, "retiring a key");
    await dialog(/Refuse this key/).getByRole("button", { name: "Refuse" }).click();
    await page.getByText("The key is retired").waitFor();
    await page.getByRole("row").getByText("Verifies").waitFor({ state: "detached" });
    assert.equal(await page.getByRole("row").count(), 2);
    await page.getByRole("link", { name: "Tenants" }).click();
    await page.getByRole("table", { name: "Tenants" }).waitFor();
    unharmed();
  });

  test("is out of sight of those who do not run it", async () => {
    send = await client(server.url, email); // the key of the token before was retired
    await send("POST", "/users", { email: "grace@acme.test", name: "Grace Hopper", roles: ["tenant_admin"], password });
    const other = await openPage(browser, server.url);
    await other.page.goto("/system");
    await login(other.page, "grace@acme.test");
    await other.page.getByRole("main").getByRole("alert").waitFor();
    assert.equal(await other.page.getByRole("link", { name: "System" }).count(), 0);
    assert.deepEqual(other.faults, []);
    await other.context.close();
  });
});
