// Pictures of every screen, in both themes and three widths: npm run screenshots [only these screens …]
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { seed } from "./seed.js";
import { client, login, openBrowser, openPage, password, setUp, startServer } from "./world.js";

const out = fileURLToPath(new URL("screenshots", import.meta.url));
mkdirSync(out, { recursive: true });
const only = process.argv.slice(2);

const server = await startServer("--tls", "auto", "--tls-names", "ml.acme.example,127.0.0.1");
const browser = await openBrowser();
await (await openPage(browser, server.url)).context.close();
const send = await setUp(server);
const wanted = (name) => only.length === 0 || only.includes(name);
const sizes = [[390, 844], [1280, 800], [1920, 1080]];
let complaints = 0;

// What an empty installation looks like can only be seen before there is anything.
if (wanted("beginning")) {
  for (const theme of ["light", "dark"]) {
    for (const [width, height] of sizes) {
      const { page, context } = await openPage(browser, server.url, { theme, width, height });
      await page.goto("/");
      await login(page);
      await page.getByText("Nothing is recorded yet").waitFor();
      await page.screenshot({ path: `${out}/beginning-${theme}-${width}.png` });
      await context.close();
    }
  }
}
const { main, artifacts, projects } = await seed(send);
const compared = projects.filter((p) => p.status === "completed").slice(0, 4);
const curved = projects.filter((p) => p.status === "completed").slice(0, 12);
for (const batch of [curved.slice(0, 6), curved.slice(6)]) await send("POST", "/metrics/batch", batch.flatMap((p, i) => Array.from({ length: 400 }, (_, n) => ["train/loss", "eval/accuracy"].map((metric_type, k) => ({ project_id: p.id, metric_type, metric_value: k ? 0.9 - 0.05 * i - 0.6 * Math.exp(-n / (60 + 30 * i)) : 0.1 + 0.06 * i + 2 * Math.exp(-n / (50 + 25 * i)), timestamp: new Date(Date.UTC(2026, i, 3) + n * 90_000).toISOString() }))).flat()));
const ids = compared.map((p) => p.id).join();
const tenants = await send("GET", "/tenants");
await send("POST", "/tenants", { name: "Borealis Energy", slug: "borealis" });
const suspended = await send("POST", "/tenants", { name: "Old Pilot", slug: "old-pilot" });
await send("PATCH", `/tenants/${suspended.id}`, { is_active: false });

for (const [name, roles, rest] of [["Grace Hopper", ["data_scientist"], { password }], ["Alan Turing", ["ml_engineer", "reviewer"], { password }], ["Mira Okafor", ["viewer"], {}], ["Nightly import", ["data_scientist"], { is_service: true }]]) {
  if (roles.includes("reviewer")) await send("POST", "/roles", { name: "reviewer", description: "Reads everything, records what was found", permissions: ["projects:view", "artifacts:view", "metrics:view", "usages:view", "usages:create", "members:view"] });
  const { user } = await send("POST", "/users", { name, roles, email: `${name.split(" ")[0].toLowerCase()}@acme.test`, ...rest });
  if (user.is_service) await send("POST", "/auth/tokens", { name: "Nightly import", scopes: ["projects:view", "metrics:create"], user_id: user.id });
}
await client(server.url, "alan@acme.test");
const users = (await send("GET", "/users?sort=name")).items;

await send("POST", "/predictions", { project_id: main.id });
await send("POST", `/projects/${main.id}/hooks`, { name: "CI", provider: "github", deployment_workflow: "deploy.yml" });
await send("POST", `/projects/${main.id}/hooks`, { name: "Nightly training", provider: "generic" });
for (let i = 0; i < 24; i++) {
  const deployment = i % 6 === 5;
  await send("POST", `/projects/${main.id}/pipeline-runs`, {
    run: `run-${i}`,
    provider: "github",
    name: deployment ? "deploy" : ["test", "train", "lint and build"][i % 3],
    status: i === 23 ? "running" : i % 7 === 3 ? "failure" : i === 10 ? "cancelled" : "success",
    finished_at: i === 23 ? undefined : new Date(Date.now() - (24 - i) * 5_000_000).toISOString(),
    duration_seconds: i === 23 ? undefined : 40 + ((i * 137) % 900),
    branch: i % 4 ? "main" : "feature/holiday-calendar",
    commit_sha: (0x51ab00f3 + i * 7_919_113).toString(16).padEnd(40, "7"),
    deployment,
  });
}
await send("POST", "/system/keys/rotate");
await send("POST", "/system/backups");

const screens = {
  home: "/",
  projects: "/projects",
  "projects-filtered": "/projects?status=completed&min_success_score=60&sort=-success_score",
  "projects-none": "/projects?problem_class=alchemy",
  project: `/projects/${main.id}`,
  "project-metrics": `/projects/${main.id}?tab=metrics&smooth=0.8`,
  "project-team": `/projects/${main.id}?tab=team`,
  "project-artifacts": `/projects/${main.id}?tab=artifacts`,
  library: "/library",
  "library-search": "/library?q=custom",
  "library-top": "/library?tab=top",
  artifact: `/library/${artifacts[0].id}`,
  "artifact-table": `/library/${artifacts[2].id}`,
  "artifact-notebook": `/library/${artifacts[7].id}`,
  "artifact-use": [`/library/${artifacts[0].id}`, (page) => page.getByRole("button", { name: "Use in a project" }).click()],
  "new-artifact": ["/library", (page) => page.keyboard.press("c")],
  account: "/account",
  "new-token": ["/account", (page) => page.getByRole("button", { name: "New token" }).click()],
  insight: "/insight?class=nlp&complexity=60&team=4",
  predictor: "/insight?tab=predictor",
  "project-predictions": `/projects/${main.id}?tab=predictions`,
  compare: `/compare?ids=${ids}`,
  "compare-metrics": `/compare?ids=${ids}&tab=metrics`,
  "compare-grouped": `/compare?ids=${projects.filter((p) => p.status === "completed").slice(0, 12).map((p) => p.id).join()}&tab=metrics&group=problem_class`,
  "team-shape": "/team-shape",
  "projects-search": "/projects?q=home",
  "project-pipelines": `/projects/${main.id}?tab=pipelines`,
  "new-hook": [`/projects/${main.id}?tab=pipelines`, (page) => page.keyboard.press("c")],
  "new-hook-made": [`/projects/${main.id}?tab=pipelines`, async (page) => {
    await page.keyboard.press("c");
    await page.keyboard.type("GitLab");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "I have kept it" }).waitFor();
  }],
  system: "/system",
  "system-certificates": "/system?tab=certificates",
  "system-backups": "/system?tab=backups",
  "system-keys": "/system?tab=keys",
  users: "/users",
  user: `/users/${users[1].id}`,
  "new-user": ["/users", (page) => page.keyboard.press("c")],
  roles: "/roles",
  audit: "/audit",
  "audit-event": ["/audit?action=user", (page) => page.getByRole("button", { name: "created a user" }).first().click()],
  "project-activity": `/projects/${main.id}?tab=activity`,
  tokens: "/tokens",
  limits: "/limits",
  tenants: "/tenants",
  tenant: `/tenants/${tenants.items[0].id}`,
  "not-found": "/projects/01928e5c-7b1a-7cc2-9a0e-3f1d2c4b5a69",
  nowhere: "/no/such/screen",
  palette: ["/projects", (page) => page.keyboard.press("Control+k")],
  shortcuts: ["/projects", (page) => page.keyboard.press("?")],
  "new-project": ["/projects", (page) => page.keyboard.press("c")],
  columns: ["/projects", (page) => page.getByRole("button", { name: "Columns" }).click()],
  selection: ["/projects", async (page) => { for (const n of [1, 3, 4]) await page.getByRole("checkbox", { name: `Select row ${n}`, exact: true }).check(); }],
  "user-menu": ["/", (page) => page.getByRole("button", { name: /^Your menu/ }).click()],
};

try {
for (const theme of ["light", "dark"]) {
  for (const [width, height] of sizes) {
    const { page, context, faults } = await openPage(browser, server.url, { theme, width, height });
    await page.goto("/");
    if (wanted("login")) await page.screenshot({ path: `${out}/login-${theme}-${width}.png` });
    await login(page);
    for (const [name, screen] of Object.entries(screens)) {
      if (!wanted(name)) continue;
      const [path, act] = Array.isArray(screen) ? screen : [screen];
      if (["user-menu", "selection"].includes(name) && width < 900) continue; // the narrow screen has neither
      // Without a reload: the session lives in the page.
      await page.evaluate((to) => { history.pushState(null, "", to); dispatchEvent(new PopStateEvent("popstate")); }, path);
      await page.waitForLoadState("networkidle");
      await page.waitForTimeout(150);
      await page.waitForFunction(() => !document.querySelector("main [aria-label=Loading]")); // bones say nothing of a screen
      await act?.(page);
      if (act) await page.waitForTimeout(250);
      await page.screenshot({ path: `${out}/${name}-${theme}-${width}.png` });
      if (act) { await page.keyboard.press("Escape"); const kept = page.getByRole("button", { name: "I have kept it" }); if (await kept.count()) await kept.click(); await page.evaluate(() => { history.pushState(null, "", "/nowhere"); dispatchEvent(new PopStateEvent("popstate")); }); await page.waitForTimeout(60); }
    }
    for (const fault of faults) console.log(`${theme} ${width}: ${fault}`);
    complaints += faults.length;
    await context.close();
  }
}
} finally {
  await browser.close();
  await server.stop();
}
console.log(`${out}: done, ${complaints} complaints`);
