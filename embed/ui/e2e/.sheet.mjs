import { chromium } from "playwright-core"; import { readFileSync, writeFileSync } from "node:fs";
const [out, width, ...files] = process.argv.slice(2);
const dir = new URL("screenshots/", import.meta.url).pathname;
const b = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--headless","--no-sandbox","--disable-gpu","--disable-quic"] });
const p = await b.newPage({ viewport: { width: 1600, height: 900 } });
await p.setContent(`<body style="margin:0;background:#888;display:flex;flex-wrap:wrap;gap:8px">` + files.map((f) => `<img style="width:${width}px" src="data:image/png;base64,${readFileSync(dir + f + ".png").toString("base64")}">`).join(""));
await p.waitForTimeout(300); await p.screenshot({ path: out, fullPage: true }); await b.close();
