import { login, openBrowser, openPage, startServer } from "/work/wt/ui/embed/ui/e2e/world.js";
const server = await startServer(); const browser = await openBrowser();
try {
const { page, faults } = await openPage(browser, server.url);
await page.goto("/"); await page.waitForTimeout(500);
page.setDefaultTimeout(4000);
try { await login(page); } catch (e) { console.log(String(e).slice(0,600)); }
console.log(faults, await page.locator("body").innerText());
await page.screenshot({path:"/tmp/p.png"});
} finally { await browser.close(); await server.stop(); }
