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

  test("has no certificate without TLS, and says how to have one", async () => {
    await page.goto("/system?tab=certificates");
    await page.getByText("No certificate").waitFor();
    await accessible(page, "no certificate");
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

describe("a system with a certificate of its own", () => {
  let secure;
  before(async () => {
    secure = await startServer("--tls", "auto", "--tls-names", "127.0.0.1,ml.example");
    send = await setUp(secure);
    await page.context().close();
    ({ page, faults } = await openPage(browser, secure.url));
    await page.goto("/system");
    await login(page);
  });
  after(() => secure?.stop());

  test("shows what is served, until when, and the authority, by keyboard", async () => {
    await page.getByRole("link", { name: "Certificates" }).focus();
    await page.keyboard.press("Enter");
    const told = await send("GET", "/system/certificates");
    assert.equal(told.source, "auto");
    const served = page.getByRole("region", { name: "Shown to everybody who connects" });
    await served.getByText("Valid", { exact: true }).waitFor();
    await served.getByText("ml.example", { exact: true }).waitFor();
    assert.equal((await served.locator(".print code").innerText()).replaceAll(":", "").toLowerCase(), told.items[0].sha256);
    const root = page.getByRole("region", { name: "The installation’s own authority" });
    assert.equal((await root.locator(".print code").innerText()).replaceAll(":", "").toLowerCase(), told.authority.sha256);
    await accessible(page, "certificates");
    const file = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download it" }).focus();
    await page.keyboard.press("Enter");
    const stream = await (await file).createReadStream();
    let pem = "";
    for await (const chunk of stream) pem += chunk;
    assert.equal(pem, told.authority.pem);
    unharmed();
  });
});
