// What the history says of a plan, how well it said it, and what it says of a project.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { accessible } from "./axe.js";
import { dice } from "./seed.js";
import { login, openBrowser, openPage, setUp, startServer } from "./world.js";

let server, browser, send, page, faults;
const unharmed = () => assert.deepEqual(faults.splice(0), []);
const region = (name) => page.getByRole("region", { name }).first();

/** Finished projects whose duration and cost follow from their size, somewhat. */
async function history(from, to) {
  const roll = dice(from);
  for (let i = from; i < to; i++) {
    const size = 20 + Math.round(roll() * 400);
    const days = Math.round(20 + size * 0.5 * (0.8 + 0.4 * roll()));
    await send("POST", "/projects", {
      name: `Past ${i}`,
      problem_class: ["nlp", "vision"][i % 2],
      status: "completed",
      complexity_score: Math.max(1, Math.round(size / 5)),
      team_size: 1 + (i % 5),
      start_date: "2025-01-01",
      completion_date: new Date(Date.UTC(2025, 0, 1) + days * 86_400_000).toISOString().slice(0, 10),
      model_performance: Math.round((0.95 - size / 900) * 1000) / 1000,
      compute_cost: Math.round(size * 40 * (0.8 + 0.4 * roll())),
      attributes: { function_points: size, gpu: i % 3 === 0 },
    });
  }
}

before(async () => {
  server = await startServer();
  browser = await openBrowser();
  send = await setUp(server);
  ({ page, faults } = await openPage(browser, server.url));
  await page.goto("/insight");
  await login(page);
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

describe("predicting", () => {
  test("says in plain words when there is no history, and when there is too little", async () => {
    await page.getByText("No project is finished yet").first().waitFor();
    await accessible(page, "no history");
    await history(0, 4);
    await page.reload();
    await page.getByText("Only 4 projects are finished").waitFor();
    await accessible(page, "too little history");
    unharmed();
  });

  test("follows the sliders by keyboard, with intervals, drivers, similar projects; the address says the plan", async () => {
    await history(4, 30);
    await page.reload();
    await region("Duration").getByRole("img").waitFor();
    assert.equal(await page.getByText(/Only \d+ projects are finished/).count(), 0);
    const points = page.getByRole("slider", { name: "function_points", exact: true });
    await points.focus();
    await page.keyboard.press("Home");
    await page.waitForURL(/x\.function_points=/);
    await page.waitForTimeout(400);
    await page.waitForFunction(() => document.querySelector(".answer")?.getAttribute("aria-busy") === "false");
    const days = async () => Number((await region("Duration").locator(".value").innerText()).match(/[\d,]+/)[0].replace(",", ""));
    const small = await days();
    await points.focus();
    await page.keyboard.press("End");
    await page.waitForTimeout(400);
    await page.waitForFunction(() => document.querySelector(".answer")?.getAttribute("aria-busy") === "false");
    await page.locator(".change").first().waitFor();
    const large = await days();
    assert.ok(large > small + 30, `${small} days with few function points, ${large} with many`);
    await page.getByRole("group", { name: "Drivers of" }).getByRole("button", { name: "Duration" }).click();
    await region(/What drives the duration/i).getByText("function_points").first().waitFor();
    await region("Similar projects").getByRole("link").first().waitFor();
    await accessible(page, "what if");
    await page.getByRole("button", { name: "Add a person" }).click();
    await page.waitForURL(/members=ml_engineer:mid/);
    await page.getByLabel("Problem class").selectOption("vision");
    await page.waitForURL(/class=vision/);
    const shared = page.url();
    await page.goto(shared);
    assert.equal(await page.getByLabel("Problem class").inputValue(), "vision");
    await page.getByRole("button", { name: "Leave function_points open" }).click();
    await page.waitForURL((url) => !url.search.includes("function_points"));
    unharmed();
  });

  test("shows how well it predicts, against what happened", async () => {
    await page.getByRole("link", { name: "How well it predicts" }).click();
    await page.getByText("30 finished projects").first().waitFor();
    const chart = page.getByRole("img", { name: /Duration of \d+ projects: predicted against what happened/ });
    await chart.waitFor();
    assert.ok((await chart.locator("circle").count()) >= 30);
    await page.getByText(/should be 80 %/).first().waitFor();
    await accessible(page, "the predictor's card");
    await region("Predicted against what happened").getByRole("button", { name: "Show the table" }).click();
    await region("Predicted against what happened").getByRole("table").waitFor();
    unharmed();
  });

  test("of a project is compared with what happened once it is over", async () => {
    const project = await send("POST", "/projects", { name: "To be predicted", status: "active", problem_class: "nlp", complexity_score: 40, team_size: 3, start_date: "2026-01-01", attributes: { function_points: 200 } });
    await page.goto(`/projects/${project.id}?tab=predictions`);
    await page.getByText("Not predicted yet").waitFor();
    await accessible(page, "not predicted");
    await page.getByRole("main").getByRole("button", { name: "Predict", exact: true }).focus();
    await page.keyboard.press("Enter");
    await region("Success").getByRole("img").waitFor();
    await accessible(page, "predicted project");
    await send("PATCH", `/projects/${project.id}/success`, { model_performance: 0.8, compute_cost: 8000, completion_date: "2026-05-01" });
    await page.reload();
    await page.getByText(/It came to/).first().waitFor();
    await page.getByRole("row", { name: /ago|now|sec/ }).getByText("120", { exact: true }).waitFor();
    await accessible(page, "prediction and what happened");
    await page.goto("/insight?tab=predictor");
    await page.getByText("1 recorded prediction of projects").first().waitFor();
    unharmed();
  });
});
