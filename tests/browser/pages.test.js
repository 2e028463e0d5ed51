// Every kind of page: screenshots, layout, accessibility, and valid HTML.

import assert from 'node:assert/strict';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { launch, visit } from './lib/browser.js';
import { check } from './lib/nu.js';
import { PAGES, SITES } from './lib/pages.js';
import { screenshots, serve } from './lib/sower.js';

const WIDTHS = [1280, 390];
const SCHEMES = ['light', 'dark'];
/** The maximum height of a screenshot. */
const TALLEST = 5000;

const sites = {};
let axe;
let browser;

before(async () => {
  axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
  await rm(screenshots, { recursive: true, force: true });
  await mkdir(screenshots, { recursive: true });
  browser = await launch();
  await Promise.all(Object.entries(SITES).map(async ([name, site]) => {
    sites[name] = await serve(site());
  }));
});

after(async () => {
  await browser?.close();
  await Promise.all(Object.values(sites).map((site) => site.stop()));
});

/** Opens a page of the table, calls `act`, and checks that the page caused no errors or foreign requests. */
async function on({ site, path, status = 200 }, options, act) {
  const { address } = sites[site];
  const { context, page, report } = await visit(browser, address, options);
  try {
    const answer = await page.goto(address + path);
    assert.equal(answer.status(), status);
    await act(page, answer);
    const expected = status === 404 ? /the server responded with a status of 404/ : /^$/;
    assert.deepEqual(report.messages.filter((line) => !expected.test(line)), []);
    assert.deepEqual(report.violations, []);
    const pictured = site === 'pictured' ? ({ url }) => !url.startsWith('https:') || !url.endsWith('.svg') : () => true;
    assert.deepEqual(report.elsewhere.filter(pictured), []);
  } finally {
    await context.close();
  }
}

/** Returns the elements that make the page wider than the window. Runs in the page. */
function overflow() {
  const { scrollWidth } = document.scrollingElement;
  if (scrollWidth <= innerWidth) return [];
  const wide = [...document.body.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > innerWidth);
  return [`${scrollWidth} > ${innerWidth}`, ...wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120))];
}

/** Returns the accessibility violations that axe finds. */
async function violations(page) {
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
  });
}

async function shoot(page, name) {
  // Lazy pictures are loaded once they are near the window.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  const { width } = page.viewportSize();
  await page.setViewportSize({ width, height: Math.min(height, TALLEST) });
  await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight));
  await page.screenshot({ path: join(screenshots, `${name}.png`), animations: 'disabled' });
  await page.setViewportSize({ width, height: 800 });
}

for (const kind of PAGES) {
  describe(kind.name, () => {
    for (const width of WIDTHS) {
      test(`page fits ${width} pixels and is accessible`, async () => {
        await on(kind, { viewport: { width, height: 800 } }, async (page) => {
          assert.deepEqual(await page.evaluate(overflow), []);
          for (const colorScheme of SCHEMES) {
            await page.emulateMedia({ colorScheme });
            await shoot(page, `${kind.name}-${width}-${colorScheme}`);
            if (!kind.crowded) assert.deepEqual(await violations(page), [], colorScheme);
          }
        });
      });
    }

    if (kind.crowded) return;
    test('page is readable in print and without its style sheet', async () => {
      await on(kind, { colorScheme: 'dark' }, async (page) => {
        await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
        const ink = await page.evaluate(() => getComputedStyle(document.querySelector('h1')).color.match(/\d+/g).map(Number));
        assert.ok(Math.max(...ink) < 100, `text is printed dark, but its colour is ${ink}`);
        assert.equal(await page.locator('button:visible, form:visible').count(), 0, 'controls are not printed');
        await page.setViewportSize({ width: 720, height: 800 });
        assert.deepEqual(await page.evaluate(overflow), []);
        await shoot(page, `${kind.name}-print`);

        await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
        await page.evaluate(() => document.querySelector('style').remove());
        const large = await page.evaluate(() => [...document.querySelectorAll('img:not(.picture), svg')].filter((element) => element.getBoundingClientRect().height > 60).length);
        assert.equal(large, 0, 'icons and charts have a size without the style sheet');
        await shoot(page, `${kind.name}-unstyled`);
      });
    });
  });
}

test('pages pass the Nu HTML checker', async () => {
  const pages = {};
  for (const kind of PAGES) {
    await on(kind, {}, async (page, answer) => {
      pages[kind.name] = await answer.text();
    });
  }
  assert.deepEqual(await check(pages), []);
  const wrong = await check({ wrong: '<!doctype html><html lang="en"><title>x</title><img src=x>' });
  assert.ok(wrong.length > 0, 'the checker reports invalid HTML');
});
