// What scripts that drive a browser share: node SCRIPT.mjs BASE INPUT, both set by the Rust test.
//
// A script hands `inBrowser` what it does. What that gives back is printed as JSON, for the test to
// look at; whatever goes wrong ends the script with its text: an exception, an error of a page's
// own, a violation of its content security policy, a violation that axe-core finds.

import { readFile, mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { chromium } from 'playwright-core';

const WAITING_MS_MAX = 15_000;
const SCRIPT_MS_MAX = 180_000;
const PHONE = { width: 360, height: 740 };
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

// Contexts without scripts.
const silent = new WeakSet();

// Runs `act` in one browser with a profile of its own, which goes with it.
//
// It is given: `base` (the URL the test passed), `input`, `page` (a first page in a first context),
// `person(options)` (a page in a context of its own: other cookies, another viewport,
// `{ javaScriptEnabled: false }`), `phone` (a viewport of 360 px), `shot(page, name)`,
// `axe(page, name)`, `fits(page)`, and `look(page, name)`, which is the three of them.
export async function inBrowser(act) {
  const [script, base, input] = process.argv.slice(1);
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: FLAGS,
    timeout: 2 * WAITING_MS_MAX,
  });
  const problems = [];
  const late = setTimeout(() => {
    console.error(`the script takes longer than ${SCRIPT_MS_MAX} ms`);
    process.exit(1);
  }, SCRIPT_MS_MAX);
  try {
    const shots = process.env.SCREENSHOTS;
    await mkdir(shots, { recursive: true });
    const prefix = basename(script, '.mjs');
    const shot = (page, name) => page.screenshot({
      path: join(shots, `${prefix}-${name}.png`), fullPage: true, animations: 'disabled',
    });
    const person = async (options = {}) => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true, ...options });
      if (options.javaScriptEnabled === false) silent.add(context);
      context.setDefaultTimeout(WAITING_MS_MAX);
      context.on('page', (page) => watch(page, problems));
      return context.newPage();
    };
    const look = async (page, name) => {
      await shot(page, name);
      await fits(page, name);
      await axe(page, name);
    };
    const given = {
      base, input: JSON.parse(input ?? 'null'), browser, person, phone: PHONE, shot, axe, fits, look,
    };
    const result = await act({ ...given, page: await person() });
    if (problems.length > 0) throw new Error(problems.join('\n'));
    console.log(JSON.stringify(result ?? null));
  } catch (error) {
    console.error([error.stack ?? error, ...problems].join('\n'));
    process.exitCode = 1;
  } finally {
    clearTimeout(late);
    await browser.close();
  }
}

// Notes what a page says is wrong with itself.
function watch(page, problems) {
  page.on('pageerror', (error) => problems.push(`${page.url()}: ${error}`));
  page.on('console', (message) => {
    const isPolicy = message.text().includes('Content Security Policy');
    if (message.type() === 'error' && isPolicy) problems.push(`${page.url()}: ${message.text()}`);
  });
}

// Fails with what axe-core finds on a page; evaluated from outside, no policy of the page forbids it.
async function axe(page, name = page.url()) {
  const path = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
  const runs = silent.has(page.context()) ? await copyWithScripts(page) : page;
  await runs.evaluate(await readFile(path, 'utf8'));
  const { violations } = await runs.evaluate(
    (values) => globalThis.axe.run(document, { runOnly: { type: 'tag', values } }),
    RULES,
  );
  if (runs !== page) await runs.context().close();
  const places = ({ target, html, failureSummary }) => `  ${target}: ${html}\n  ${failureSummary}`;
  const texts = violations.map((one) => `${one.id}: ${one.help} (${one.helpUrl})\n${
    one.nodes.map(places).join('\n')}`);
  if (texts.length > 0) throw new Error(`axe-core on ${name}:\n${texts.join('\n')}`);
}

// The same page where scripts run: axe-core is one.
async function copyWithScripts(page) {
  const context = await page.context().browser().newContext({
    ignoreHTTPSErrors: true, viewport: page.viewportSize(),
  });
  context.setDefaultTimeout(WAITING_MS_MAX);
  const copy = await context.newPage();
  const body = await page.content();
  await copy.route(page.url(), (route) => route.fulfill({ contentType: 'text/html', body }));
  await copy.goto(page.url());
  return copy;
}

// Fails when a page has to be scrolled sideways.
async function fits(page, name = page.url()) {
  const { scrollWidth, clientWidth } = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement;
    return { scrollWidth, clientWidth };
  });
  if (scrollWidth > clientWidth) {
    throw new Error(`${name} is ${scrollWidth} px wide in a window of ${clientWidth} px`);
  }
}
