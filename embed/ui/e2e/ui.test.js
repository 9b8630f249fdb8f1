// The whole product by keyboard and mouse: the real binary, a real browser.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { notebook, seed } from "./seed.js";
import { email, login, openBrowser, openPage, password, startServer, client } from "./world.js";

let server, browser, send, page, faults;

/** Whatever happened on the page besides what the test looked for. */
function unharmed() {
  assert.deepEqual(faults.splice(0), []);
}

const heading = (name) => page.getByRole("heading", { level: 1, name });
const main = () => page.getByRole("main");
const dialog = (name) => page.getByRole("dialog", { name });

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  ({ page, faults } = await openPage(browser, server.url));
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("the way in", () => {
  test("a new installation asks for its first operator, by keyboard alone", async () => {
    await page.goto("/projects?sort=name");
    await page.getByRole("heading", { name: "Set up Maestro" }).waitFor();
    await accessible(page, "setup");
    await page.goto(`/setup#${server.setupToken()}`); // the link that the server prints
    assert.equal(await page.getByLabel("Setup token").inputValue(), server.setupToken());
    assert.ok(!page.url().includes("#"), "the token stays in the address");
    await page.goto("/projects?sort=name");
    await page.getByLabel("Setup token").focus();
    for (const text of [server.setupToken(), "Ada Lovelace", email, password]) {
      await page.keyboard.type(text);
      await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    await page.getByText("Ada Lovelace").waitFor();
    send = await client(server.url, email);
    unharmed();
  });

  test("an empty installation says how to begin", async () => {
    await page.goto("/projects");
    await page.getByText("No projects yet").waitFor();
    await accessible(page, "no projects");
    await page.goto("/library");
    await page.getByText("The library is empty").waitFor();
    await accessible(page, "empty library");
    unharmed();
  });

  test("nothing secret is in reach of a script", async () => {
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
    assert.doesNotMatch(kept, /ms[a-z]_|eyJ/);
  });

  test("logging out ends the session; a wrong password says so, the right one opens where one was", async () => {
    await page.getByRole("button", { name: /^Your menu/ }).click();
    await page.getByRole("menuitem", { name: "Log out" }).click();
    await page.getByRole("heading", { name: "Log in to Maestro" }).waitFor();
    await page.goto("/projects?status=active");
    await page.getByLabel("E-mail").fill(email);
    await page.getByLabel("Password").fill("not this");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").getByText("E-mail, password or tenant is not right.").waitFor();
    await page.getByRole("alert").getByText("Request").waitFor();
    await accessible(page, "refused login");
    await login(page);
    await heading("Projects").waitFor();
    assert.equal(new URL(page.url()).search, "?status=active");
    unharmed();
  });
});

describe("projects", () => {
  let made;
  before(async () => {
    made = await seed(send, { projects: 60 });
  });

  test("are created by keyboard, and refused with the reason at its field", async () => {
    await page.goto("/projects");
    await page.getByRole("table", { name: "Projects" }).waitFor();
    await page.keyboard.press("c");
    await dialog("New project").waitFor();
    await page.keyboard.type(made.main.name);
    await page.keyboard.press("Enter");
    await dialog("New project").getByRole("alert").waitFor();
    await page.getByLabel("Name").fill("A project by keyboard");
    await page.getByLabel("Complexity").fill("40");
    await page.getByLabel("Name").press("Enter");
    await heading(/A project by keyboard/).waitFor();
    await accessible(page, "project");
    unharmed();
  });

  test("are sorted and filtered by the server, and the address says how", async () => {
    await page.goto("/projects");
    const table = page.getByRole("table", { name: "Projects" });
    await table.getByRole("button", { name: "Success" }).click();
    await page.waitForURL(/sort=-success_score/);
    await page.waitForLoadState("networkidle");
    const scores = await table.locator("tbody tr[data-index] .meter .value").allInnerTexts();
    const numbers = scores.map(Number);
    assert.ok(numbers.length > 10);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => b - a));

    await page.getByRole("button", { name: "Filter", exact: true }).click();
    await page.getByRole("menuitem", { name: "Status" }).click();
    await page.getByRole("radio", { name: "Completed" }).check();
    await page.keyboard.press("Escape");
    await page.waitForURL(/status=completed/);
    await page.waitForLoadState("networkidle");
    assert.deepEqual([...new Set(await table.locator("tbody .status").allInnerTexts())], ["Completed"]);
    await accessible(page, "filtered projects");

    const shared = page.url();
    const other = await openPage(browser, server.url);
    await other.page.goto(shared);
    await login(other.page);
    await other.page.getByRole("table", { name: "Projects" }).waitFor();
    assert.deepEqual([...new Set(await other.page.locator("tbody .status").allInnerTexts())], ["Completed"]);
    assert.deepEqual(other.faults, []);
    await other.context.close();
    unharmed();
  });

  test("are searched as one types, and the address holds the search", async () => {
    await page.goto("/projects");
    const table = page.getByRole("table", { name: "Projects" });
    await table.locator("tbody a").first().waitFor();
    await page.keyboard.press("/");
    const word = made.main.name.split(" ")[0];
    await page.keyboard.type(`  ${word.toUpperCase()} `);
    await page.waitForURL(new RegExp(`q=${word.toUpperCase()}$`));
    await page.waitForLoadState("networkidle");
    const names = await table.locator("tbody a.name").allInnerTexts();
    const all = made.projects.filter((p) => p.name.toLowerCase().includes(word.toLowerCase()) || p.description.toLowerCase().includes(word.toLowerCase())).map((p) => p.name);
    assert.deepEqual([...names].sort(), [...all].sort());
    assert.ok(names.length < made.projects.length);
    await accessible(page, "searched projects");

    await page.getByRole("searchbox", { name: "Search the projects" }).fill("nothing is called so");
    await page.getByText("No project fits the search").waitFor();
    await accessible(page, "search without a find");
    await page.getByRole("button", { name: "Show all projects" }).click();
    await table.locator("tbody a").first().waitFor();
    assert.equal(await page.getByRole("searchbox", { name: "Search the projects" }).inputValue(), "");
    await page.goBack();
    unharmed();
  });

  test("have columns of one's choice, in one's order, that are still there later", async () => {
    await page.goto("/projects");
    const heads = () => page.locator("thead th[scope=col]").allInnerTexts().then((all) => all.map((t) => t.trim()));
    await page.getByRole("button", { name: "Columns" }).click();
    await page.getByRole("checkbox", { name: "Cost" }).check();
    await page.getByRole("checkbox", { name: "Team" }).uncheck();
    await page.getByRole("button", { name: "Move Success up" }).click();
    await accessible(page, "columns");
    await page.keyboard.press("Escape");
    const chosen = await heads();
    assert.deepEqual(chosen, ["Name", "Status", "Success", "Problem class", "Completed", "Changed", "Cost"]);
    await page.goto("/projects");
    await page.getByRole("table", { name: "Projects" }).waitFor();
    assert.deepEqual(await heads(), chosen);
    unharmed();
  });

  test("keep views under a name", async () => {
    await page.goto("/projects?status=abandoned");
    await page.getByRole("button", { name: "Unsaved view" }).click();
    await page.getByRole("menuitem", { name: "Save this view" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Given up");
    await page.keyboard.press("Enter");
    await page.goto("/projects");
    await page.getByRole("button", { name: "All projects" }).click();
    await page.getByRole("menuitemradio", { name: "Given up" }).click();
    await page.waitForURL(/status=abandoned/);
    unharmed();
  });

  test("are walked through, selected and changed by keyboard", async () => {
    await page.goto("/projects?status=planned&sort=name");
    await page.getByRole("table", { name: "Projects" }).locator("tbody a").first().waitFor();
    for (const key of ["j", "x", "j", "x"]) await page.keyboard.press(key);
    await page.getByText("2 projects selected").waitFor();
    await page.getByRole("button", { name: "Set status" }).click();
    await page.getByRole("menuitem", { name: "Active" }).click();
    await page.getByText("2 projects now active").waitFor();
    await page.keyboard.press("j");
    await page.keyboard.press("Enter");
    await page.waitForURL(/projects\/[0-9a-f-]{36}/);
    unharmed();
  });

  test("are deleted in bulk after a question", async () => {
    for (const n of [1, 2]) await send("POST", "/projects", { name: `Doomed ${n}`, problem_class: "doomed" });
    await page.goto("/projects?problem_class=doomed");
    await page.getByRole("checkbox", { name: "Select all rows" }).check();
    await page.getByRole("button", { name: "Delete" }).click();
    await dialog("Delete 2 projects?").getByRole("button", { name: "Delete" }).click();
    await page.getByText("No project fits these filters").waitFor();
    unharmed();
  });

  test("are edited in place, and an edit of somebody else is not overwritten", async () => {
    const project = await send("POST", "/projects", { name: "Edited in place" });
    await page.goto(`/projects/${project.id}`);
    await page.getByRole("button", { name: /^Complexity/ }).click();
    await page.keyboard.type("55");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /Complexity: 55/ }).waitFor();
    await page.getByRole("button", { name: /^Complexity/ }).click();
    await page.keyboard.press("Control+a");
    await page.keyboard.type("500");
    await page.keyboard.press("Enter");
    await main().getByRole("alert").waitFor();
    await page.keyboard.press("Escape");

    await send("PATCH", `/projects/${project.id}`, { team_size: 4 });
    await page.getByRole("button", { name: /^Team size/ }).click();
    await page.keyboard.type("9");
    await page.keyboard.press("Enter");
    await page.getByText("Somebody changed this project meanwhile").waitFor();
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: /Team size: 4/ }).waitFor();
    assert.equal((await send("GET", `/projects/${project.id}`)).team_size, 4);
    unharmed();
  });

  test("are completed with their outcome", async () => {
    const project = await send("POST", "/projects", { name: "To be completed", status: "active", start_date: "2026-01-05" });
    await page.goto(`/projects/${project.id}`);
    await page.getByRole("button", { name: "Record outcome" }).click();
    await accessible(page, "outcome");
    await page.getByLabel("Model performance").fill("0.91");
    await page.getByRole("button", { name: "Complete the project" }).click();
    await page.getByText("The outcome is recorded").waitFor();
    const now = await send("GET", `/projects/${project.id}`);
    assert.equal(now.status, "completed");
    assert.equal(now.model_performance, 0.91);
    unharmed();
  });

  test("show their metrics as charts and as tables", async () => {
    await page.goto(`/projects/${made.main.id}?tab=metrics`);
    const card = page.getByRole("region", { name: "commits_per_week", exact: true });
    await card.locator("canvas").waitFor();
    await accessible(page, "metrics");
    await card.getByRole("button", { name: "Show the table" }).click();
    await card.getByRole("table").waitFor();
    assert.equal(await card.locator("tbody tr").count(), 52);
    await accessible(page, "metrics as a table");
    const file = page.waitForEvent("download");
    await card.getByRole("button", { name: "Download every point as CSV" }).click();
    const stream = await (await file).createReadStream();
    let csv = "";
    for await (const chunk of stream) csv += chunk;
    assert.equal(csv.trim().split("\r\n").length, 53);
    unharmed();
  });

  test("have a team", async () => {
    await page.goto(`/projects/${made.main.id}?tab=team`);
    await page.getByRole("button", { name: "Add a person" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Noor Aziz");
    await page.keyboard.press("Enter");
    await page.getByRole("row", { name: /Noor Aziz/ }).waitFor();
    await accessible(page, "team");
    await page.getByRole("button", { name: "Remove Noor Aziz" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("row", { name: /Noor Aziz/ }).waitFor({ state: "detached" });
    unharmed();
  });

  test("that are not there look different from what may not be done", async () => {
    await page.goto("/projects/01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69");
    await main().getByRole("heading", { name: "Not found" }).waitFor();
    await main().getByText("Request").waitFor();
    await accessible(page, "not found");
    unharmed();
  });
});

describe("the library", () => {
  test("takes a file with its artifact, shows it, and gives it back", async () => {
    await page.goto("/library");
    await page.getByRole("button", { name: "New artifact" }).click();
    await page.getByLabel("File").setInputFiles({ name: "explore.ipynb", mimeType: "application/x-ipynb+json", buffer: Buffer.from(notebook) });
    await accessible(page, "new artifact");
    await page.getByRole("button", { name: "Create and upload" }).click();
    await heading(/explore/).waitFor();
    await page.getByRole("region", { name: "Preview of the content" }).getByText("Store demand").waitFor();
    await accessible(page, "artifact");
    const file = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download" }).click();
    const stream = await (await file).createReadStream();
    let text = "";
    for await (const chunk of stream) text += chunk;
    assert.equal(text, notebook);
    unharmed();
  });

  test("is searched while typing", async () => {
    await page.goto("/library");
    await page.getByRole("table", { name: "Artifacts" }).waitFor();
    await page.keyboard.press("/");
    await page.keyboard.type("boost");
    await page.waitForURL(/q=boost/);
    await page.waitForFunction(() => document.querySelectorAll("tbody tr[data-index]").length === 1);
    await page.getByRole("link", { name: "gradient_boosting_baseline" }).waitFor();
    await accessible(page, "search");
    unharmed();
  });

  test("counts a use", async () => {
    await page.getByRole("link", { name: "gradient_boosting_baseline" }).click();
    await page.getByRole("button", { name: "Use in a project" }).click();
    await page.getByPlaceholder("Name of the project").fill("A project by key");
    await page.getByRole("option", { name: /A project by keyboard/ }).waitFor();
    await page.keyboard.press("Enter");
    await accessible(page, "use");
    await page.getByLabel("How much it helped").fill("77");
    await page.getByRole("button", { name: "Record the use" }).click();
    await page.getByText("is recorded").waitFor();
    await page.getByRole("row", { name: /A project by keyboard/ }).getByText("77.0").waitFor();
    await page.goto("/library?tab=top");
    await page.getByRole("table", { name: "Artifacts by how much they help" }).waitFor();
    await accessible(page, "ranking");
    unharmed();
  });
});

describe("the account", () => {
  test("makes a token that is shown once, and that works", async () => {
    await page.goto("/account");
    await page.getByRole("button", { name: "New token" }).click();
    await page.getByLabel("Name", { exact: true }).fill("Nightly");
    await page.getByRole("button", { name: "Read only" }).click();
    await accessible(page, "new token");
    await page.getByRole("button", { name: "Create" }).click();
    const token = await dialog("Your new token").locator(".token code").innerText();
    await accessible(page, "token");
    const answer = await fetch(`${server.url}/api/v1/projects?limit=1`, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(answer.status, 200);
    await page.getByRole("button", { name: "I have kept it" }).click();
    assert.ok(!(await page.content()).includes(token));
    await page.getByRole("button", { name: "Delete the token Nightly" }).click();
    await page.getByRole("button", { name: "Delete", exact: true }).click();
    await page.getByText("No tokens.").waitFor();
    await accessible(page, "account");
    const refused = await fetch(`${server.url}/api/v1/projects?limit=1`, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal(refused.status, 401);
    unharmed();
  });

  test("that is ended elsewhere asks to log in again and returns to where one was", async () => {
    const project = await send("POST", "/projects", { name: "Left for a moment" });
    await page.goto(`/projects/${project.id}`);
    await page.getByRole("button", { name: /^Description/ }).click();
    await page.keyboard.type("Half a sentence");
    await send("POST", "/auth/logout-all");
    await page.keyboard.press("Control+Enter");
    await dialog("Your session has ended").waitFor();
    await accessible(page, "ended session");
    await page.getByLabel("Password").fill(password);
    await page.keyboard.press("Enter");
    await dialog("Your session has ended").waitFor({ state: "detached" });
    assert.equal(await page.getByRole("textbox", { name: "Description" }).inputValue(), "Half a sentence");
    send = await client(server.url, email);
    unharmed();
  });
});

describe("the operator", () => {
  test("makes, limits, suspends and deletes a tenant", async () => {
    await page.goto("/tenants");
    await page.getByRole("table", { name: "Tenants" }).waitFor();
    await accessible(page, "tenants");
    await page.keyboard.press("c");
    await page.keyboard.type("Borealis Energy");
    await page.keyboard.press("Enter");
    await heading(/Borealis Energy/).waitFor();
    await page.getByRole("button", { name: /Projects at most/ }).click();
    await page.keyboard.type("3");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: /Projects at most: 3\b/ }).waitFor();
    await accessible(page, "tenant");
    await page.getByRole("button", { name: "Suspend" }).click();
    await dialog(/Suspend/).getByRole("button", { name: "Suspend" }).click();
    await page.getByText("Suspended", { exact: true }).waitFor();
    await page.getByRole("button", { name: "Delete" }).click();
    await page.getByLabel("Type borealis-energy to go on").fill("borealis-energy");
    await page.keyboard.press("Enter");
    await page.getByText("is deleted").waitFor();
    unharmed();
  });
});

describe("everywhere", () => {
  test("the palette finds screens, and what the server holds", async () => {
    await page.goto("/");
    await heading("Home").waitFor();
    await accessible(page, "home");
    await page.keyboard.press("Control+k");
    await page.keyboard.type("weld");
    await page.getByRole("option", { name: /weld_images/ }).waitFor();
    await accessible(page, "palette");
    await page.keyboard.press("Enter");
    await heading(/weld_images/).waitFor();
    const { items: [one] } = await send("GET", "/projects?limit=1&sort=name");
    for (const [text, found] of [[one.name, one.name], [one.id, one.name], ["lovelace", /Ada Lovelace/], ["certif", "Certificates"]]) {
      await page.keyboard.press("Control+k");
      await page.keyboard.type(text);
      await page.getByRole("option", { name: found }).first().waitFor();
      await page.keyboard.press("Escape");
      await dialog("Find anything").waitFor({ state: "detached" });
    }
    await page.keyboard.press("g");
    await page.keyboard.press("p");
    await heading("Projects").waitFor();
    await page.keyboard.press("?");
    await dialog("Keyboard shortcuts").waitFor();
    await accessible(page, "shortcuts");
    await page.keyboard.press("Escape");
    unharmed();
  });

  test("a theme once chosen stays, without a flash of the other", async () => {
    await page.getByRole("button", { name: /^Your menu/ }).click();
    await page.getByRole("menuitemradio", { name: "Dark" }).click();
    await page.reload();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), "dark");
    await page.getByRole("button", { name: /^Your menu/ }).click();
    await page.getByRole("menuitemradio", { name: "System" }).click();
    unharmed();
  });

  test("a script in a text stays text", async () => {
    const attack = `"><img src=x onerror=alert(1)><script>alert(2)</script>{alert(3)}`;
    const script = `${attack} [link](javascript:alert(4))`;
    const project = await send("POST", "/projects", { name: attack, description: script, attributes: { [attack]: attack }, metadata: { [attack]: attack } });
    await send("POST", `/projects/${project.id}/members`, { name: attack, role: "other", experience_level: "mid" });
    await send("POST", "/metrics", { project_id: project.id, metric_type: attack.slice(0, 99), metric_value: 1 });
    const artifact = await send("POST", "/artifacts", { name: attack, type: "report", version: attack, description: script, tags: [attack.slice(0, 64)] });
    await send("PUT", `/artifacts/${artifact.id}/content`, `# ${script}\n\n${attack}\n`, { "Content-Type": "text/markdown" });
    await send("POST", `/artifacts/${artifact.id}/use`, { project_id: project.id, impact_score: 90, context: { [attack]: attack } });
    for (const path of ["/", "/projects", `/projects/${project.id}`, `/projects/${project.id}?tab=metrics`, `/projects/${project.id}?tab=team`, `/projects/${project.id}?tab=artifacts`, "/library", `/library/${artifact.id}`, "/library?tab=top"]) {
      await page.goto(path);
      await page.waitForLoadState("networkidle");
      await page.getByText("onerror=alert(1)").first().waitFor({ state: "attached" });
      assert.equal(await page.locator("img[src=x]").count(), 0, path);
      assert.equal(await page.locator("a[href^='javascript:']").count(), 0, path);
    }
    unharmed();
  });

  test("a page of one's own opens nothing of another origin", async () => {
    await page.goto("/no/such/screen");
    await main().getByRole("heading", { name: "There is nothing here" }).waitFor();
    await accessible(page, "nowhere");
    unharmed();
  });
});
