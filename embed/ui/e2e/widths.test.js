// Every screen fits: from a narrow telephone to a wall.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { seed } from "./seed.js";
import { login, openBrowser, openPage, setUp, startServer } from "./world.js";

let server, browser, paths;

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  const send = await setUp(server);
  const { main, projects, artifacts } = await seed(send, { projects: 30 });
  await send("POST", "/predictions", { project_id: main.id });
  await send("POST", `/projects/${main.id}/hooks`, { name: "A hook with a name that is longer than a telephone is wide", provider: "github", deployment_workflow: "deploy-to-production.yml" });
  await send("POST", `/projects/${main.id}/pipeline-runs`, { run: "1", name: "a workflow with a long name, too", status: "success", finished_at: new Date(Date.now() - 60_000).toISOString(), branch: "feature/with-a-very-long-name-indeed", deployment: true });
  await send("POST", "/system/backups");
  const user = (await send("GET", "/users")).items[0];
  const tenant = (await send("GET", "/tenants")).items[0];
  const ids = projects.slice(0, 4).map((p) => p.id).join();
  const tabs = ["overview", "metrics", "predictions", "artifacts", "team", "pipelines", "activity"].map((tab) => `/projects/${main.id}?tab=${tab}`);
  const system = ["health", "backups", "keys", "certificates"].map((tab) => `/system?tab=${tab}`);
  paths = ["/", "/projects", "/projects?q=home&status=active&live=1", ...tabs, "/library", "/library?tab=top", `/library/${artifacts[0].id}`, `/library/${artifacts[2].id}`, `/library/${artifacts[7].id}`, "/insight", "/insight?tab=predictor", `/compare?ids=${ids}`, `/compare?ids=${ids}&tab=metrics&group=status`, "/team-shape", "/users", `/users/${user.id}`, "/roles", "/tokens", "/audit", "/limits", "/account", ...system, "/tenants", `/tenants/${tenant.id}`, "/no/such/screen"];
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const [width, height] of [[360, 740], [3840, 2160]]) {
  test(`at ${width} pixels nothing is wider than the screen`, async () => {
    const { page, context, faults } = await openPage(browser, server.url, { width, height });
    await page.goto("/");
    await login(page);
    const wide = [];
    for (const path of paths) {
      await page.evaluate((to) => { history.pushState(null, "", to); dispatchEvent(new PopStateEvent("popstate")); }, path);
      await page.waitForFunction(() => document.querySelector("main")?.textContent.trim() && !document.querySelector("main [aria-label=Loading]"));
      await page.waitForLoadState("networkidle");
      const over = await page.evaluate(() => {
        const main = document.querySelector("main");
        if (document.documentElement.scrollWidth > innerWidth) return `the page is ${document.documentElement.scrollWidth} wide`;
        if (main.scrollWidth <= main.clientWidth) return "";
        const right = main.getBoundingClientRect().left + main.clientWidth;
        const guilty = [...main.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > right + 1 && !e.closest(".scroll, .box, nav")).at(-1);
        return `the screen is ${main.scrollWidth} of ${main.clientWidth}: ${guilty?.outerHTML.slice(0, 120)}`;
      });
      if (over) wide.push(`${path}: ${over}`);
    }
    assert.deepEqual(wide, []);
    assert.deepEqual(faults, []);
    await context.close();
  });
}
