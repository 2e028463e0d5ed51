// Each kind of page: what it looks like, whether it fits, whether everybody can use it, whether it is HTML.

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
/** Most of a page that a screenshot shows. */
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

/** Opens a page of the table for as long as something is done with it. */
async function on({ site, path, status = 200 }, options, act) {
  const { address } = sites[site];
  const { context, page, report } = await visit(browser, address, options);
  try {
    const answer = await page.goto(address + path);
    assert.equal(answer.status(), status);
    await act(page, answer);
    const expected = status === 404 ? /the server responded with a status of 404/ : /^$/;
    assert.deepEqual(report.said.filter((line) => !expected.test(line)), []);
    assert.deepEqual(report.breaches, []);
    const pictured = site === 'pictured' ? ({ url }) => !url.startsWith('https:') || !url.endsWith('.svg') : () => true;
    assert.deepEqual(report.elsewhere.filter(pictured), []);
  } finally {
    await context.close();
  }
}

/** What is laid out wider than the window, so that one would have to scroll to the side. */
function overflow() {
  const { scrollWidth } = document.scrollingElement;
  if (scrollWidth <= innerWidth) return [];
  const wide = [...document.body.querySelectorAll('*')].filter((element) => element.getBoundingClientRect().right > innerWidth);
  return [`${scrollWidth} > ${innerWidth}`, ...wide.slice(0, 5).map((element) => element.outerHTML.slice(0, 120))];
}

/** What axe finds. */
async function violations(page) {
  if (!await page.evaluate(() => 'axe' in window)) await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.flatMap(({ id, nodes }) => nodes.slice(0, 3).map((node) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary}`));
  });
}

async function shoot(page, name) {
  // Lazy pictures are loaded when they come near.
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
      test(`fits ${width} pixels, and everybody can use it`, async () => {
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
    test('can be read on paper and without its style', async () => {
      await on(kind, { colorScheme: 'dark' }, async (page) => {
        await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
        const ink = await page.evaluate(() => getComputedStyle(document.querySelector('h1')).color.match(/\d+/g).map(Number));
        assert.ok(Math.max(...ink) < 100, `dark ink on white paper, not ${ink}`);
        assert.equal(await page.locator('button:visible, form:visible').count(), 0, 'nothing to click on paper');
        await page.setViewportSize({ width: 720, height: 800 });
        assert.deepEqual(await page.evaluate(overflow), []);
        await shoot(page, `${kind.name}-print`);

        await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
        await page.evaluate(() => document.querySelector('style').remove());
        const large = await page.evaluate(() => [...document.querySelectorAll('img:not(.picture), svg')].filter((element) => element.getBoundingClientRect().height > 60).length);
        assert.equal(large, 0, 'icons and charts have a size of their own');
        await shoot(page, `${kind.name}-unstyled`);
      });
    });
  });
}

test('the Nu HTML checker has nothing to say', async () => {
  const pages = {};
  for (const kind of PAGES) {
    await on(kind, {}, async (page, answer) => {
      pages[kind.name] = await answer.text();
    });
  }
  assert.deepEqual(await check(pages), []);
  const wrong = await check({ wrong: '<!doctype html><html lang="en"><title>x</title><img src=x>' });
  assert.ok(wrong.length > 0, 'it tells what is wrong');
});
