// Opens the report and the status page as people do and says what is wrong with
// them. Ends with 1 at the first thing that is. peers-browser starts it.
import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { chromium } from 'playwright-core';

const { REPORT, LARGE_REPORT, HOSTILE_REPORT, STATUS, HOSTILE_STATUS, DEMO_PID, PICTURES, CHROMIUM } = process.env;
const widths = [1280, 390];
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
let checks = 0;

// visit opens a page, lets look look, and fails on whatever a console, a
// dialogue or the network tells of that should not be.
async function visit(url, { width = 1280, scheme = 'light', script = true, quiet = true }, look) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, javaScriptEnabled: script, reducedMotion: 'reduce' });
  const page = await context.newPage();
  const wrong = [];
  const home = new URL(url);
  page.on('console', (m) => { if (['error', 'warning'].includes(m.type())) wrong.push(`console: ${m.text()}`); });
  page.on('pageerror', (e) => wrong.push(`script: ${e}`));
  page.on('dialog', (d) => { wrong.push(`dialogue: ${d.message()}`); d.dismiss(); });
  page.on('request', (r) => {
    const to = new URL(r.url());
    const allowed = home.protocol === 'file:' ? r.url() === url : to.origin === home.origin;
    if (!allowed) wrong.push(`request to ${r.url()}`);
  });
  await page.goto(url);
  await look(page);
  if (quiet) assert.deepEqual(wrong, [], `${url} at ${width}, ${scheme}`);
  await context.close();
  checks++;
}

const text = (page, selector) => page.locator(selector).first().innerText();

// fits: nothing reaches beyond the side of the window.
async function fits(page, width) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `the page is ${over} px wider than ${width}`);
}

// contrast: text can be read, 4.5 to 1 and more (WCAG 2.2 AA).
async function contrast(page) {
  const poor = await page.evaluate(() => {
    const parse = (c) => c.match(/[\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
      .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = (e) => {
      for (let at = e; at; at = at.parentElement) {
        const c = parse(getComputedStyle(at).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c;
      }
      return [255, 255, 255];
    };
    const poor = [];
    for (const e of document.querySelectorAll('body *')) {
      if (e.closest('svg') || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
      const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) poor.push(`${e.tagName}.${e.className}: ${ratio.toFixed(2)}`);
    }
    return [...new Set(poor)];
  });
  assert.deepEqual(poor, [], 'text of too little contrast');
}

const dark = (page) => page.evaluate(() => {
  const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
  return r + g + b < 200;
});

const column = (page, table, n) => page.locator(`table[data-table="${table}"] tbody tr td:nth-child(${n})`).evaluateAll((cells) => cells.map((c) => ('v' in c.dataset ? c.dataset.v : c.textContent)));

async function sorts(page, table, name, n) {
  const head = page.locator(`table[data-table="${table}"] thead button`, { hasText: name });
  const numbers = async () => (await column(page, table, n)).map(Number);
  await head.click();
  const down = await numbers();
  assert.deepEqual(down, [...down].sort((a, b) => b - a), `${table} by ${name}, the largest first`);
  await head.click();
  const up = await numbers();
  assert.deepEqual(up, [...up].sort((a, b) => a - b), `${table} by ${name}, the least first`);
  assert.equal(await page.locator(`table[data-table="${table}"] th[aria-sort="ascending"]`).count(), 1);
  assert.ok(up.length > 1 && up[0] !== up.at(-1), `${table} has nothing to sort`);
}

// inert: what the fields of the log say is there as text, and is no element.
async function inert(page) {
  const body = await page.locator('body').innerText();
  for (const said of ['<img/src=x/onerror=alert(1)>', '"><script>alert(2)</script>']) {
    assert.ok((await page.locator('body').evaluate((b) => b.textContent)).includes(said), `${said} is not on the page as text`);
  }
  assert.ok(body.length > 500);
  assert.equal(await page.locator('img').count(), 0);
  assert.equal(await page.locator('[onerror], [onmouseover], [onload]').count(), 0);
  const scripts = await page.locator('script').evaluateAll((all) => all.map((s) => s.textContent).join());
  assert.ok(!scripts.includes('alert('), 'a script of the log');
}

const openAll = (page) => page.locator('details.finding').evaluateAll((all) => all.forEach((d) => { d.open = true; }));

if (PICTURES) await pictures(); // first: its attacks come early

for (const width of widths) {
  for (const scheme of ['light', 'dark']) {
    await visit(REPORT, { width, scheme }, async (page) => {
      assert.equal(await text(page, 'h1'), 'VPC flow log report');
      for (const word of ['Ingress records', 'Unique sources', 'Accepted against rejected', 'Vertical port scan', 'Ingress spike', 'SSH brute force', 'All times are UTC']) {
        assert.ok((await page.locator('body').innerText()).includes(word), `the report does not say: ${word}`);
      }
      assert.ok(await page.locator('.chart svg path.accepted').count() >= 2, 'charts');
      assert.ok(await page.locator('.map path.m5').count() >= 1 && await page.locator('.map path.m1').count() >= 1, 'shades of the map');
      assert.ok((await column(page, 'countries', 1)).includes('Germany') && (await column(page, 'sources', 5)).includes('own'), 'places');
      assert.equal(await dark(page), scheme === 'dark');
      await openAll(page);
      await fits(page, width);
      await contrast(page);
      if (width === 1280) await sorts(page, 'sources', 'Bytes', 6);
      const rows = page.locator('table[data-table="sources"] tbody tr:visible');
      assert.equal(await rows.count(), 15, 'a long table is folded');
      await page.getByRole('button', { name: /^Show all/ }).first().click();
      assert.ok(await rows.count() > 15, 'and unfolds');
    });
    await visit(HOSTILE_REPORT, { width, scheme }, async (page) => { await openAll(page); await fits(page, width); await inert(page); });
    await visit(HOSTILE_STATUS, { width, scheme }, async (page) => {
      await openAll(page);
      await inert(page);
      await fits(page, width);
      const before = await text(page, '[data-live="now"]');
      await page.waitForFunction((was) => document.querySelector('[data-live="now"]').textContent !== was, before); // renewed
      await inert(page);
    });
    await visit(STATUS, { width, scheme }, async (page) => {
      assert.equal(await text(page, 'h1'), 'flowwatch');
      for (const word of ['Watermark', 'Lag', 'Throughput', 'Last commit', 'Open incidents', 'The last hour', 'Recent findings', 'kinesis:vpc-flow-logs/shardId-000000000000']) {
        assert.ok((await page.locator('body').innerText()).includes(word), `the page does not say: ${word}`);
      }
      await page.waitForFunction(() => document.querySelectorAll('.chart path.band').length > 0 && document.querySelectorAll('.chart path.expected').length > 0);
      assert.equal(await dark(page), scheme === 'dark');
      await fits(page, width);
      await contrast(page);
    });
  }
}

// Of many logs too, it opens and fits.
await visit(LARGE_REPORT, {}, async (page) => {
  assert.ok((await text(page, '.figures')).replaceAll(',', '').match(/\d{7}/), 'millions of records');
  await openAll(page);
  await fits(page, 1280);
});

// Without scripts both are whole.
await visit(REPORT, { script: false }, async (page) => assert.ok(await page.locator('table[data-table="sources"] tbody tr').count() > 15));
await visit(STATUS, { script: false }, async (page) => assert.ok(await page.locator('table[data-table="sources"] tbody tr').count() > 1));

// Printed, the report is light and its findings are there.
await visit(REPORT, { scheme: 'dark' }, async (page) => {
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  assert.equal(await dark(page), false);
  assert.equal(await page.locator('button.more:visible').count(), 0);
  assert.ok((await page.pdf({ format: 'A4', printBackground: true })).length > 10_000);
});

// The page is live: it renews itself where it stands. What is open stays open
// and what is sorted stays sorted.
await visit(STATUS, {}, async (page) => {
  await page.evaluate(() => { window.same = true; });
  await page.locator('[data-live="recent"] details.finding summary').last().click();
  const key = await page.locator('[data-live="recent"] details[open]').getAttribute('data-key');
  await page.locator('table[data-table="sources"] thead button', { hasText: 'Bytes' }).click();
  for (let round = 0; round < 3; round++) {
    const before = await text(page, '[data-live="figures"]');
    await page.waitForFunction((was) => document.querySelector('[data-live="figures"]').innerText !== was, before);
  }
  assert.ok(await page.evaluate(() => window.same), 'the page was loaded anew');
  assert.equal(await page.locator('[data-live="recent"] details[open]').getAttribute('data-key'), key, 'what was open is closed');
  const bytes = (await column(page, 'sources', 6)).map(Number);
  assert.deepEqual(bytes, [...bytes].sort((a, b) => b - a), 'the order is lost');
});

// When flowwatch has gone the page says that it is old.
await visit(STATUS, { quiet: false }, async (page) => {
  process.kill(Number(DEMO_PID));
  await page.waitForFunction(() => !document.getElementById('lost').hidden);
  assert.match(await text(page, '#lost'), /No connection/);
});

await browser.close();
console.log(`Chromium: ${checks} visits, nothing wrong`);

// pictures takes those of docs/images, from simulated traffic.
async function pictures() {
  mkdirSync('docs/images', { recursive: true });
  const take = async (of, name) => { // a page, or a part of one
    const path = `docs/images/${name}.png`;
    await of.screenshot({ path });
    assert.ok(statSync(path).size <= 300 * 1024, `${path} is larger than 300 KiB`);
  };
  await visit(REPORT, {}, async (page) => { await page.setViewportSize({ width: 1280, height: 1180 }); await take(page, 'report'); });
  await visit(REPORT, {}, async (page) => { await take(page.locator('.map'), 'report-map'); });
  await visit(REPORT, { width: 390, scheme: 'dark' }, async (page) => { await page.setViewportSize({ width: 390, height: 844 }); await take(page, 'report-phone'); });
  await visit(PICTURES, {}, async (page) => {
    await page.setViewportSize({ width: 1280, height: 1280 });
    await page.locator('[data-live="incidents"] details', { hasText: 'Ingress spike' }).waitFor({ timeout: 180_000 });
    await take(page, 'status');
  });
  await visit(PICTURES, { width: 390, scheme: 'dark' }, async (page) => {
    await page.setViewportSize({ width: 390, height: 844 });
    await page.locator('[data-live="incidents"] details').first().waitFor();
    await take(page, 'status-phone');
  });
}
