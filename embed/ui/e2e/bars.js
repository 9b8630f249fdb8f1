// The measured bars of the web UI, on one tenant of 100 000 projects and 500 000
// artifacts: make bars. It prints what it measured and fails where a bar is missed.
// The verdicts are by the clock and mean something on an idle machine only. Beside
// each stands the processor time that the work took by itself, which other load
// hardly moves.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { client, email, login, openBrowser, openPage, password, setUp, startServerIn } from "./world.js";

/** Milliseconds. */
const bars = { answer: 100, frame: 50, draw: 200 };

const fill = process.env.MAESTRO_FILL;
if (!fill) throw new Error("MAESTRO_FILL names the program that fills a data directory (bench/fill)");
// A directory that is given stays, filled, for the next time.
const dir = process.env.BARS_DATA ?? mkdtempSync(join(tmpdir(), "maestro-bars-"));

const missed = [];
function bar(name, value, most, note = "") {
  const ok = value <= most;
  if (!ok) missed.push(name);
  console.log(`${ok ? "ok  " : "MISS"}  ${name.padEnd(58)} ${value.toFixed(1).padStart(8)} ms, at most ${most} ${note}`);
}

if (!existsSync(join(dir, "maestro.db"))) {
  mkdirSync(dir, { recursive: true });
  const server = await startServerIn(dir);
  await setUp(server);
  await server.stop();
}
execFileSync(fill, ["-data", dir], { stdio: "inherit", timeout: 900_000 });

const server = await startServerIn(dir);
const browser = await openBrowser();
try {
  const send = await client(server.url, email);
  console.log(`load ${loadavg()[0].toFixed(1)} on ${cpus().length} cores\n`);
  await answers(send);
  await scrolling();
  await curves(send);
} finally {
  await browser.close();
  await server.stop();
  if (!process.env.BARS_DATA) rmSync(dir, { recursive: true });
}
if (missed.length) {
  console.error(`\nmissed: ${missed.join("; ")}`);
  process.exit(1);
}

/** The 95th percentile of what the screens ask: first page, deep page, every order and filter. */
async function answers(send) {
  const asks = {
    "projects, usual order": ["GET", "/projects?limit=100&sort=-updated_at"],
    "projects by name": ["GET", "/projects?limit=100&sort=name"],
    "projects by success, the best first": ["GET", "/projects?limit=100&sort=-success_score"],
    "projects by success, the worst first": ["GET", "/projects?limit=100&sort=success_score"],
    "projects of one status": ["GET", "/projects?limit=100&sort=-updated_at&status=abandoned"],
    "projects of one class by success": ["GET", "/projects?limit=100&sort=-success_score&problem_class=vision"],
    "projects of a class that none has": ["GET", "/projects?limit=100&sort=-updated_at&problem_class=alchemy"],
    "projects of one status and class, good ones, by name": ["GET", "/projects?limit=100&sort=name&status=active&problem_class=nlp&min_success_score=90"],
    "artifacts, usual order": ["GET", "/artifacts?limit=100&sort=-created_at"],
    "artifacts by last change": ["GET", "/artifacts?limit=100&sort=-updated_at"],
    "artifacts by name": ["GET", "/artifacts?limit=100&sort=name"],
    "artifacts by uses": ["GET", "/artifacts?limit=100&sort=-usage_count"],
    "artifacts by impact": ["GET", "/artifacts?limit=100&sort=-avg_impact_score"],
    "artifacts of one type": ["GET", "/artifacts?limit=100&sort=-created_at&type=model"],
    "artifacts with a tag": ["GET", "/artifacts?limit=100&sort=-created_at&tag=rework"],
    "artifacts with a tag that none has": ["GET", "/artifacts?limit=100&sort=-created_at&tag=alchemy"],
    "search as one types": ["POST", "/artifacts/search", { query: "dem nor", limit: 100 }],
  };
  for (const [name, [method, path, body]] of Object.entries(asks)) {
    const before = processorTime();
    const took = await p95(() => send(method, path, body));
    bar(`${name}: p95 of 20`, took, bars.answer, `(${((processorTime() - before) / 21).toFixed(1)} ms of the server's processor each)`);
  }
  let cursor = "";
  const deep = [];
  for (let page = 0; page < 60; page++) {
    const began = performance.now();
    const answer = await send("GET", `/projects?limit=100&sort=name${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    deep.push(performance.now() - began);
    cursor = answer.next_cursor;
  }
  bar("projects, pages 1 to 60: p95", percentile(deep), bars.answer);
}

/** User and system time of the server so far, in milliseconds (proc(5); a tick is 10 ms). */
function processorTime() {
  const [user, system] = readFileSync(`/proc/${server.pid}/stat`, "utf8").replace(/^.*\) /, "").split(" ").slice(11, 13).map(Number);
  return 10 * (user + system);
}

/** Runs what is given, and returns with it the tasks of the page's main thread: when each began, by the clock, and its processor time, in milliseconds. */
async function traced(page, run) {
  await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline", "devtools.timeline", "blink.user_timing"] });
  const got = await run();
  const events = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
  const main = events.find((e) => e.name === "thread_name" && e.args?.name === "CrRendererMain" && events.some((o) => o.pid === e.pid && o.name === "FunctionCall"));
  const tasks = events.filter((e) => e.pid === main?.pid && e.tid === main?.tid && /RunTask$/.test(e.name) && e.tdur !== undefined).map((e) => ({ at: e.ts / 1000, ms: e.tdur / 1000 }));
  if (tasks.length === 0) throw new Error("the trace has no tasks of the page's main thread");
  return { got, tasks };
}

async function p95(ask) {
  const took = [];
  await ask(); // the first one reads from the disk
  for (let i = 0; i < 20; i++) {
    const began = performance.now();
    await ask();
    took.push(performance.now() - began);
  }
  return percentile(took);
}

function percentile(took) {
  return took.sort((a, b) => a - b)[Math.ceil(took.length * 0.95) - 1];
}

/** Scrolls each list for some seconds, a part of a screen with every frame, and looks at the time between frames. */
async function scrolling() {
  for (const [path, table] of [["/projects", "Projects"], ["/library", "Artifacts"]]) {
    const { page, context, faults } = await openPage(browser, server.url);
    page.setDefaultTimeout(30_000);
    await page.goto(path);
    await login(page);
    await page.getByRole("table", { name: table }).locator("tbody a").first().waitFor();
    await page.waitForTimeout(1000);
    const { got, tasks } = await traced(page, () => page.evaluate(async () => {
      const box = document.querySelector(".box");
      const frames = [];
      let last = performance.now();
      for (const end = last + 8000; last < end; ) {
        box.scrollTop += 160;
        const now = await new Promise(requestAnimationFrame);
        frames.push(now - last);
        last = now;
      }
      return { frames: frames.slice(1), rows: Math.round(box.scrollTop / 40), drawn: document.querySelectorAll("tbody tr").length };
    }));
    const sorted = got.frames.sort((a, b) => a - b);
    bar(`${table}: longest frame while scrolling`, sorted[sorted.length - 1], bars.frame, `(${sorted.length} frames, median ${sorted[sorted.length >> 1].toFixed(1)} ms, ${sorted.filter((f) => f > bars.frame).length} longer, ${got.rows} rows passed, ${got.drawn} in the page; longest task ${Math.max(...tasks.map((t) => t.ms)).toFixed(1)} ms of processor)`);
    if (faults.length) missed.push(faults.join("; "));
    await context.close();
  }
}

/** From the last answer with points to the frame in which 50 curves stand. */
async function curves(send) {
  const found = [];
  for (let cursor = ""; found.length < 50 && cursor !== null; ) {
    const page = await send("GET", `/projects?limit=500&sort=-created_at${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    found.push(...page.items.filter((p) => /^Curve \d+$/.test(p.name)));
    cursor = page.next_cursor;
  }
  const { page, context } = await openPage(browser, server.url);
  page.setDefaultTimeout(60_000);
  await page.addInitScript(() => {
    performance.setResourceTimingBufferSize(2000);
    new MutationObserver((_, observer) => {
      if (!document.querySelector("main canvas")) return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => (window.drawnAt = performance.now())));
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto(`/compare?ids=${found.map((p) => p.id).join()}&tab=metrics`);
  const { tasks } = await traced(page, async () => {
    await login(page);
    await page.locator("main canvas").waitFor();
    await page.waitForFunction(() => window.drawnAt);
  });
  const took = await page.evaluate(() => {
    const answers = performance.getEntriesByType("resource").filter((e) => /\/metrics\?/.test(e.name));
    return { ms: window.drawnAt - Math.max(...answers.map((e) => e.responseEnd)), answers: answers.length };
  });
  bar("50 curves of 10 000 steps: from the last answer to the frame", took.ms, bars.draw, `(${took.answers} answers; longest task ${Math.max(...tasks.map((t) => t.ms)).toFixed(1)} ms of processor)`);
  await context.close();
}
