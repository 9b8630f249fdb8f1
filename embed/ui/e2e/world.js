// A running server, a seeded tenant, and a browser that looks at it.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

export const password = "correct horse battery";
export const email = "ada@acme.test";

const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

const binary = process.env.MAESTRO_BIN ?? fileURLToPath(new URL("../../../bin/maestro", import.meta.url));

/** Starts the built server on a data directory of its own, which goes with it. */
export const startServer = (...extra) => startServerIn(mkdtempSync(join(tmpdir(), "maestro-e2e-")), { passing: true, extra });

/** Starts the built server on a data directory. */
export async function startServerIn(dir, { passing = false, extra = [], cwd = undefined } = {}) {
  const port = await freePort();
  const encrypted = extra.includes("--tls");
  // The certificate is of an authority that only this server knows.
  if (encrypted) process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
  const url = `${encrypted ? "https" : "http"}://127.0.0.1:${port}`;
  const child = spawn(binary, ["serve", "--data", dir, "--listen", `127.0.0.1:${port}`, ...extra], { cwd, stdio: ["ignore", "ignore", process.env.E2E_LOG ? "inherit" : "ignore"] });
  const orphan = () => child.kill("SIGKILL");
  process.once("exit", orphan); // a run that is cut short leaves no server behind
  for (let i = 0; ; i++) {
    if (await fetch(`${url}/readyz`).then((r) => r.ok, () => false)) break;
    if (i > 100 || child.exitCode !== null) throw new Error("the server did not start");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    url,
    pid: child.pid,
    setupToken: () => readFileSync(join(dir, "run", "setup-token"), "utf8").trim(),
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      await ended;
      process.off("exit", orphan);
      if (passing) rmSync(dir, { recursive: true });
    },
  };
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

const json = { "Content-Type": "application/json" };

async function session(url, path, body) {
  const answer = await fetch(`${url}/api/v1/auth${path}`, { method: "POST", headers: json, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
  return (await answer.json()).access_token;
}

/** Makes the first operator, and returns what sends requests as that user. */
export async function setUp(server) {
  return sender(server.url, await session(server.url, "/setup", { setup_token: server.setupToken(), email, password, name: "Ada Lovelace" }));
}

/** Sends requests to the API as one user. */
export async function client(url, as) {
  return sender(url, await session(url, "/login", { email: as, password }));
}

function sender(url, token) {
  return async function send(method, path, body, headers = json) {
    const response = await fetch(`${url}/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...headers },
      body: body === undefined ? undefined : headers === json ? JSON.stringify(body) : body,
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`);
    return text ? JSON.parse(text) : undefined;
  };
}

export const openBrowser = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });

/** A page that keeps what must not happen: errors, violations, requests elsewhere. */
export async function openPage(browser, url, { theme = "light", width = 1280, height = 800 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce", baseURL: url, ignoreHTTPSErrors: url.startsWith("https:") });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const faults = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !/the server responded with a status of (401|403|404|409|412|422)/.test(message.text())) faults.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => faults.push(`error: ${error.stack ?? error}`));
  page.on("dialog", (dialog) => (faults.push(`a script ran: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => {
    const to = new URL(request.url());
    if (to.protocol.startsWith("http") && to.origin !== url) faults.push(`request to ${request.url()}`);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (e) => console.error(`CSP violation: ${e.violatedDirective} ${e.blockedURI} ${e.sample}`));
  });
  return { page, context, faults };
}

export async function login(page, as = email) {
  await page.getByLabel("E-mail").fill(as);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("main").waitFor();
  await page.locator("aside").waitFor({ state: "attached" });
}
