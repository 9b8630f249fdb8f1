// Users, roles, limits and tokens of others, by keyboard and mouse.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { client, email, login, openBrowser, openPage, password, setUp, startServer } from "./world.js";

let server, browser, send, page, faults;

function unharmed() {
  assert.deepEqual(faults.splice(0), []);
}
const heading = (name) => page.getByRole("heading", { level: 1, name });
const dialog = (name) => page.getByRole("dialog", { name });
const userByEmail = async (wanted) => (await send("GET", "/users?limit=500")).items.find((u) => u.email === wanted);
const status = (path, body) =>
  fetch(`${server.url}/api/v1/auth/${path}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }).then((r) => r.status);

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/users");
  await login(page);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("users", () => {
  test("are invited by keyboard, and the link lets them set a password", async () => {
    await page.getByRole("table", { name: "Users" }).waitFor();
    await accessible(page, "users");
    await page.keyboard.press("c");
    await dialog("New user").waitFor();
    await accessible(page, "new user");
    await page.keyboard.type("grace@acme.test");
    await page.keyboard.press("Tab");
    await page.keyboard.type("Grace Hopper");
    await page.keyboard.press("Enter");
    const handed = dialog("Invitation for Grace Hopper");
    await handed.waitFor();
    await accessible(page, "invitation");
    const link = await handed.locator("code").innerText();
    assert.ok(link.startsWith(`${server.url}/redeem#`), link);
    await handed.getByRole("button", { name: "I have handed it on" }).click();
    assert.ok(!(await page.content()).includes(link.split("#")[1]), "the link is still on the page");
    await page.getByRole("row", { name: /Grace Hopper/ }).getByText("Invited").waitFor();

    const other = await openPage(browser, server.url);
    await other.page.goto(link);
    await other.page.getByLabel("New password").fill(password);
    await other.page.getByRole("button", { name: "Set the password" }).click();
    await login(other.page, "grace@acme.test");
    // A viewer sees no administration, and is told so where the address is typed.
    assert.equal(await other.page.getByRole("link", { name: "Roles" }).count(), 0);
    await other.page.goto("/users");
    await other.page.getByRole("main").getByRole("alert").waitFor();
    assert.deepEqual(other.faults, []);
    await other.context.close();
    unharmed();
  });

  test("are made with a password, and a refusal stands at its field", async () => {
    await page.getByRole("button", { name: "New user" }).click();
    await page.getByLabel("E-mail").fill("alan@acme.test");
    await page.getByLabel("Name", { exact: true }).fill("Alan Turing");
    await page.getByRole("radio", { name: /^Password/ }).check();
    await page.getByLabel("Password", { exact: true }).last().fill("short");
    await page.getByRole("button", { name: "Create" }).click();
    await dialog("New user").getByRole("alert").first().waitFor();
    await page.locator("input[type=password]").fill(password);
    await dialog("New user").getByRole("checkbox", { name: /^Data scientist/ }).check();
    await page.getByRole("button", { name: "Create" }).click();
    await page.getByText("Alan Turing can log in now").waitFor();
    assert.deepEqual((await userByEmail("alan@acme.test")).roles.sort(), ["data_scientist", "viewer"]);
    assert.equal(await status("login", { email: "alan@acme.test", password }), 200);
    unharmed();
  });

  test("are filtered by role and state", async () => {
    await page.goto("/users?role=data_scientist");
    await page.getByRole("row", { name: /Alan Turing/ }).waitFor();
    assert.equal(await page.locator("tbody tr[data-index]").count(), 1);
    unharmed();
  });

  test("are given roles, disabled, enabled, logged out, helped to a new password, and deleted", async () => {
    await page.getByRole("link", { name: "Alan Turing" }).click();
    await heading(/Alan Turing/).waitFor();
    await accessible(page, "user");
    await page.getByRole("button", { name: "Change roles" }).click();
    const roles = dialog("Roles of Alan Turing");
    await roles.getByRole("checkbox", { name: /^Viewer/ }).uncheck();
    await roles.getByRole("checkbox", { name: /^ML engineer/ }).check();
    await accessible(page, "roles of a user");
    await roles.getByRole("button", { name: "Save" }).click();
    await roles.waitFor({ state: "detached" });
    assert.deepEqual((await userByEmail("alan@acme.test")).roles.sort(), ["data_scientist", "ml_engineer"]);

    await page.getByRole("button", { name: "Disable" }).click();
    await dialog("Disable Alan Turing?").getByRole("button", { name: "Disable" }).click();
    await page.getByRole("button", { name: "Enable" }).waitFor();
    assert.equal(await status("login", { email: "alan@acme.test", password }), 401);
    await page.getByRole("button", { name: "Enable" }).click();
    await page.getByRole("button", { name: "Disable" }).waitFor();
    const his = await client(server.url, "alan@acme.test");

    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("menuitem", { name: "End all sessions" }).click();
    await dialog(/End all sessions/).getByRole("button", { name: "End sessions" }).click();
    await page.getByText("Every session of Alan Turing has ended").waitFor();
    await assert.rejects(his("GET", "/auth/me"), /401/);

    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("menuitem", { name: "Password-reset link" }).click();
    const token = (await dialog("Password-reset link").locator("code").innerText()).split("#")[1];
    await page.getByRole("button", { name: "I have handed it on" }).click();
    assert.equal(await status("redeem", { token, password: "another good password" }), 200);
    assert.equal(await status("login", { email: "alan@acme.test", password }), 401);

    await page.getByRole("button", { name: "More", exact: true }).click();
    await page.getByRole("menuitem", { name: "Delete user" }).click();
    await dialog("Delete Alan Turing?").getByRole("button", { name: "Delete user" }).click();
    await page.getByText("Alan Turing is deleted").waitFor();
    await heading("Users").waitFor();
    assert.equal(await userByEmail("alan@acme.test"), undefined);
    unharmed();
  });

  test("the last administrator cannot be taken away", async () => {
    const ada = await userByEmail(email);
    await page.goto(`/users/${ada.id}`);
    await page.getByRole("button", { name: "Change roles" }).click();
    await page.getByRole("checkbox", { name: /^Viewer/ }).check();
    await page.getByRole("checkbox", { name: /^Tenant admin/ }).uncheck();
    await page.getByRole("button", { name: "Save" }).click();
    await dialog(/Roles of/).getByRole("alert").waitFor();
    await page.keyboard.press("Escape");
    unharmed();
  });
});

describe("roles", () => {
  test("stand in a matrix; the system's cannot be changed, one's own can", async () => {
    await page.goto("/roles");
    const matrix = page.getByRole("table", { name: "What each role may do" });
    await matrix.waitFor();
    assert.equal(await matrix.getByRole("checkbox").count(), 0);
    await accessible(page, "roles");
    await page.keyboard.press("c");
    await page.keyboard.type("reviewer");
    await page.keyboard.press("Enter");
    await matrix.getByRole("columnheader", { name: /Reviewer/ }).waitFor();
    const box = matrix.getByRole("checkbox", { name: "Reviewer: Create projects" });
    await box.focus();
    await page.keyboard.press("Space");
    await page.getByText("1 role changed: Reviewer").waitFor();
    await accessible(page, "roles, changed");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The roles are changed").waitFor();
    const roles = (await send("GET", "/roles")).items;
    assert.ok(roles.find((r) => r.name === "reviewer").permissions.includes("projects:create"));
    await matrix.getByRole("checkbox", { name: "Reviewer: Delete projects" }).check();
    await page.getByRole("button", { name: "Discard" }).click();
    assert.equal(await matrix.getByRole("checkbox", { name: "Reviewer: Delete projects" }).isChecked(), false);
    unharmed();
  });

  test("beyond one's own are locked", async () => {
    await send("POST", "/roles", { name: "people_desk", permissions: ["users:view", "users:create", "users:update", "roles:view", "roles:update", "projects:view"] });
    await send("POST", "/users", { email: "desk@acme.test", name: "People Desk", roles: ["people_desk"], password });
    const other = await openPage(browser, server.url);
    await other.page.goto("/roles");
    await login(other.page, "desk@acme.test");
    const matrix = other.page.getByRole("table", { name: "What each role may do" });
    await matrix.getByRole("img", { name: "Yes, locked: you do not hold projects:create" }).waitFor();
    assert.equal(await matrix.getByRole("checkbox", { name: "Reviewer: Create projects" }).count(), 0);
    await accessible(other.page, "roles, locked");
    await other.page.getByRole("link", { name: "Users" }).click();
    await other.page.getByRole("table", { name: "Users" }).waitFor(); // a key before goes to the page that is left
    await other.page.keyboard.press("c");
    const admin = other.page.getByRole("checkbox", { name: /^Tenant admin/ });
    await admin.waitFor();
    assert.equal(await admin.isDisabled(), true);
    await other.page.getByText(/that you do not hold/).first().waitFor();
    assert.deepEqual(other.faults, []);
    await other.context.close();
    unharmed();
  });

  test("that somebody has stay; that nobody has can go", async () => {
    await page.goto("/roles");
    for (const [name, title] of [["people_desk", "People desk"], ["reviewer", "Reviewer"]]) {
      await page.getByRole("button", { name: `More about ${title}` }).click();
      await page.getByRole("menuitem", { name: "Delete role" }).click();
      await dialog(`Delete the role ${title}?`).getByRole("button", { name: "Delete role" }).click();
      if (name === "people_desk") {
        const notice = page.getByRole("region", { name: "Notices" });
        await notice.getByText("Request").waitFor();
        await notice.getByRole("button", { name: "Dismiss" }).last().click();
      } else await page.getByRole("columnheader", { name: title }).waitFor({ state: "detached" });
    }
    assert.deepEqual((await send("GET", "/roles")).items.filter((r) => !r.system).map((r) => r.name), ["people_desk"]);
    unharmed();
  });
});

describe("API tokens", () => {
  test("of others are seen and stopped, and a service account is given one", async () => {
    const bot = (await send("POST", "/users", { email: "bot@acme.test", name: "Nightly", roles: ["data_scientist"], is_service: true })).user;
    await page.goto("/tokens");
    await page.getByText("No API tokens").waitFor();
    await page.keyboard.press("c");
    await dialog("New API token").waitFor();
    await page.keyboard.type("Nightly import");
    await page.getByLabel("Acts as").selectOption({ label: "Nightly, service account" });
    await accessible(page, "token of a service account");
    await page.getByRole("button", { name: "Create" }).click();
    const token = await dialog("Your new token").locator(".token code").innerText();
    await page.getByRole("button", { name: "I have kept it" }).click();
    const me = await fetch(`${server.url}/api/v1/auth/me`, { headers: { Authorization: `Bearer ${token}` } }).then((r) => r.json());
    assert.equal(me.user.id, bot.id);
    await page.getByRole("row", { name: /Nightly import/ }).getByText("Service").waitFor();
    await page.getByRole("button", { name: /\d+ permissions/ }).click();
    await page.getByText("projects:view").waitFor();
    await accessible(page, "tokens");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Delete the token Nightly import" }).click();
    await dialog(/Delete the token/).getByRole("button", { name: "Delete" }).click();
    await page.getByText("No API tokens").waitFor();
    const refused = await fetch(`${server.url}/api/v1/auth/me`, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(refused.status, 401);
    unharmed();
  });
});

describe("limits", () => {
  test("stand beside their use", async () => {
    await page.goto("/limits");
    await page.getByText("of 10", { exact: false }).first().waitFor();
    await accessible(page, "limits");
    unharmed();
  });
});
