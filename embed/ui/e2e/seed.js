// A tenant's data as a team would have it, made the same every time.

/** Numbers that look random and are the same in every run (mulberry32). */
export function dice(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const subjects = {
  classification: ["Churn risk", "Credit default", "Spam triage", "Defect grading", "Lead scoring", "Fraud alerts", "Ticket routing"],
  regression: ["Delivery times", "House prices", "Energy yield", "Battery wear", "Claim costs", "Crop yield"],
  nlp: ["Contract clauses", "Support summaries", "Clinical notes", "Search ranking", "Sentiment of reviews", "Invoice extraction"],
  forecasting: ["Store demand", "Grid load", "Cash flow", "Spare parts", "Call volume", "Bike returns"],
  recommendation: ["Home page", "Next best offer", "Similar items", "Newsletter", "Playlists"],
  vision: ["Weld inspection", "Shelf gaps", "Plant disease", "Number plates", "Tumour margins", "Drone surveys"],
  clustering: ["Customer segments", "Log anomalies", "Store formats", "Sensor families"],
};
const places = ["Europe", "North", "retail", "v2", "pilot", "for mobile", "Nordics", "wholesale", "APAC", "rework", "night shift", "line 4"];
const people = ["Mira Okafor", "Jonas Weber", "Aiko Tanaka", "Samir Haddad", "Lena Fischer", "Pablo Ortiz", "Grace Adeyemi", "Tom Lindqvist", "Ines Moreau", "Ravi Menon", "Chloé Martin", "Nikolai Petrov"];
const roles = ["ml_scientist", "ml_engineer", "data_engineer", "analyst", "product", "devops"];
const levels = ["junior", "mid", "senior", "principal"];

const day = 86_400_000;
export const iso = (ms) => new Date(ms).toISOString();

export async function seed(send, { projects = 60, now = Date.parse("2026-11-20T09:00:00Z") } = {}) {
  const roll = dice(7);
  const pick = (list) => list[Math.floor(roll() * list.length)];
  const made = [];
  const names = new Set();
  for (let i = 0; i < projects; i++) {
    const problem_class = pick(Object.keys(subjects));
    let name = `${pick(subjects[problem_class])} ${pick(places)}`;
    while (names.has(name)) name = `${pick(subjects[problem_class])} ${pick(places)} ${2 + Math.floor(roll() * 8)}`;
    names.add(name);
    const start = now - Math.floor((30 + roll() * 620) * day);
    const status = roll() < 0.58 ? "completed" : roll() < 0.55 ? "active" : roll() < 0.6 ? "planned" : "abandoned";
    const complexity = Math.round(10 + roll() * 85);
    const team = 1 + Math.floor(roll() * 8);
    const done = status === "completed";
    const length = Math.round(20 + complexity * (0.6 + roll()));
    made.push(
      await send("POST", "/projects", {
        name,
        problem_class,
        status,
        description: `${name}: from the first look at the data to something that people use every day.`,
        complexity_score: complexity,
        team_size: team,
        start_date: status === "planned" ? undefined : iso(start),
        completion_date: done ? iso(Math.min(start + length * day, now - day)) : undefined,
        model_performance: done || status === "active" ? Math.round((0.55 + roll() * 0.42) * 1000) / 1000 : undefined,
        business_impact: done ? Math.round(roll() * 400) * 1000 : undefined,
        compute_cost: done ? Math.round((200 + roll() * 24_000) * 100) / 100 : undefined,
        attributes: i % 3 === 0 ? { gpu_hours: Math.round(roll() * 900), labelled: roll() < 0.5, framework: pick(["pytorch", "xgboost", "jax"]) } : undefined,
      }),
    );
  }
  const artifacts = await library(send, made, roll, pick);
  const main = made.find((p) => p.status === "active") ?? made[0];
  for (let i = 0; i < 6; i++) {
    await send("POST", `/projects/${main.id}/members`, {
      name: people[i],
      role: roles[i],
      experience_level: pick(levels),
      contribution_hours: Math.round(40 + roll() * 400),
      performance_score: roll() < 0.8 ? Math.round(50 + roll() * 48) : undefined,
    });
  }
  for (const p of made.filter((p) => p.status === "completed").slice(0, 24)) {
    for (let i = 0; i < Math.min(p.team_size, 5); i++) {
      await send("POST", `/projects/${p.id}/members`, { name: people[Math.floor(roll() * people.length)], role: pick(roles), experience_level: pick(levels), contribution_hours: Math.round(40 + roll() * 400) });
    }
  }
  await send("PATCH", `/projects/${main.id}`, { metadata: { repository: "git@example.test:acme/store-demand.git", reviewed: true, stages: ["shadow", "canary", "live"] } });
  await send("POST", "/metrics/batch", points(main.id, roll, now));
  return { projects: made, main, artifacts };
}

const songs = [
  ["customer_features", "feature_pipeline", "2.3.0", ["tabular", "production"], "Recency, frequency and spend of every customer, as of any day, without a look ahead.", 8],
  ["gradient_boosting_baseline", "model_template", "1.4.1", ["baseline", "tabular"], "LightGBM with sane defaults, calibrated. Beat this before anything else.", 12],
  ["weld_images", "dataset", "2026-03", ["vision", "labelled"], "18 400 photographs of welds, labelled twice, with the disagreements kept.", 6],
  ["churn_model", "model", "5", ["production"], "The one that runs.", -4],
  ["event_schema", "schema", "4.0.0", ["events"], "What every click and purchase looks like.", 2],
  ["drift_report", "report", "1.0.0", ["monitoring"], "How far each input has moved since training.", 0],
  ["training_defaults", "config", "1.2.0", ["baseline"], "Seeds, splits and early stopping that everybody agreed on.", 5],
  ["explore_demand", "notebook", "0.3.0", ["forecasting"], "First look at store demand, with the pitfalls found on the way.", 3],
];

export const notebook = JSON.stringify({
  cells: [
    { cell_type: "markdown", metadata: {}, source: ["# Store demand\n", "What sells **where**, and what `promo` does to it."] },
    { cell_type: "code", execution_count: 1, metadata: {}, source: ["demand.groupby('store').units.mean()"], outputs: [{ output_type: "execute_result", data: { "text/plain": ["store\n", "1    41.2\n", "2    18.9\n", "3    77.0"] } }] },
    { cell_type: "code", execution_count: 2, metadata: {}, source: ["demand.promo.value_counts(normalize=True)"], outputs: [{ output_type: "stream", text: ["False    0.83\n", "True     0.17\n"] }] },
  ],
  nbformat: 4,
});

async function library(send, projects, roll, pick) {
  const made = [];
  for (const [name, type, version, tags, description] of songs) made.push(await send("POST", "/artifacts", { name, type, version, tags, description }));
  made.push(await send("POST", "/artifacts", { name: "customer_features", type: "feature_pipeline", version: "2.2.0", tags: ["tabular"], description: "Before the calendar fix." }));
  const put = (i, text, media) => send("PUT", `/artifacts/${made[i].id}/content`, text, { "Content-Type": media });
  const rows = Array.from({ length: 400 }, (_, i) => `${i + 1},${pick(["seam", "pore", "crack", "clean"])},${(roll() * 4).toFixed(2)},${roll() < 0.9}`);
  await put(2, `weld,label,length_mm,agreed\n${rows.join("\n")}\n`, "text/csv");
  await put(4, JSON.stringify({ event: "purchase", properties: { customer: "uuid", amount: "decimal(12,2)", at: "timestamp" } }), "application/json");
  await put(5, "# Drift\n\nInputs that moved more than **0.2** since training:\n\n| input | distance |\n|---|---|\n| basket size | 0.31 |\n| weekday | 0.04 |\n\n- measured by `PSI`\n- over *30 days*\n", "text/markdown");
  await put(6, "seed: 7\nsplit: [0.7, 0.15, 0.15]\nearly_stopping: 50\n", "text/x-yaml");
  await put(7, notebook, "application/x-ipynb+json");
  await put(0, "def features(as_of):\n    return orders[orders.at < as_of].groupby('customer').agg(...)\n", "text/x-python");
  for (const [i, [, , , , , help]] of songs.entries()) {
    for (const p of projects) {
      const likely = 0.12 + 0.022 * help + ((p.success_score ?? 50) - 50) * 0.006 * Math.sign(help || 1);
      if (roll() > likely) continue;
      const reported = roll() < 0.4 ? { impact_score: Math.max(0, Math.min(100, Math.round((p.success_score ?? 55) + help + (roll() - 0.5) * 20))) } : {};
      await send("POST", `/artifacts/${made[i].id}/use`, { project_id: p.id, ...reported });
    }
  }
  return made;
}

/** A year of process metrics and one long training run. */
function points(project_id, roll, now) {
  const all = [];
  const add = (metric_type, metric_value, at) => all.push({ project_id, metric_type, metric_value, timestamp: iso(at) });
  for (let week = 0; week < 52; week++) {
    const at = now - (52 - week) * 7 * day;
    add("commits_per_week", Math.round(8 + 9 * Math.sin(week / 6) + roll() * 9), at);
    add("pipeline_success_rate", Math.min(1, 0.72 + week / 220 + (roll() - 0.5) * 0.1), at);
    add("contributors", Math.round(3 + week / 14 + roll() * 2), at);
    add("active_branches", Math.round(2 + roll() * 5), at);
  }
  for (let step = 0; step < 3000; step++) {
    const at = now - 2 * day + step * 45_000;
    add("train/loss", 2.4 * Math.exp(-step / 620) + 0.11 + roll() * 0.16 * Math.exp(-step / 2600), at);
    add("eval/accuracy", 0.93 - 0.5 * Math.exp(-step / 520) + (roll() - 0.5) * 0.025, at);
  }
  return all;
}
