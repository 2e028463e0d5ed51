// The cost of the home page: transferred bytes, render-blocking requests, and layout shifts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch, visit } from './lib/browser.js';
import { serve } from './lib/sower.js';
import { gazette } from './lib/sites.js';

/** The maximum number of transferred bytes, including header fields. */
const MOST = 30 * 1024;
const TOPICS = 50;

let browser;
let site;

/** Returns a gazette of fifty topics with descriptions, three quarters of which have a parent. */
function fifty() {
  const { config, seeds } = gazette();
  const named = config.topics.length + 4;
  const more = Array.from({ length: TOPICS - named }, (_, index) => `Of ${['rivers', 'clocks', 'bridges', 'letters', 'harvests'][index % 5]} and ${['winter', 'iron', 'paper', 'salt', 'music', 'stone', 'glass'][index % 7]}`);
  const topics = more.map((name, index) => ({
    name,
    description: `Everything that was written ${name.toLowerCase()}, from ${1500 + index * 7} on.`,
    ...(index % 4 && { parent: more[index - index % 4] }),
  }));
  more.forEach((name, index) => {
    for (let month = 1; month <= 12; month += 1 + index % 3) {
      const date = `2024-${String(month).padStart(2, '0')}-${String(1 + index % 28).padStart(2, '0')}`;
      seeds[`${date}-more-${index}.md`] = { title: name, topics: [name], webUrl: `https://more.example/${index}/${month}` };
    }
  });
  return { config: { ...config, topics: [...config.topics, ...topics] }, seeds };
}

before(async () => {
  browser = await launch();
  site = await serve(fifty());
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

for (const width of [390, 1280]) {
  test(`home page stays within its byte budget, has no render-blocking requests and does not shift at ${width} pixels`, async (t) => {
    const { context, page, report } = await visit(browser, site.address, { viewport: { width, height: 800 } });
    const wire = await context.newCDPSession(page);
    const [types, sizes] = [new Map(), new Map()];
    await wire.send('Network.enable');
    await wire.send('Network.setExtraHTTPHeaders', { headers: { 'Accept-Encoding': 'gzip' } });
    wire.on('Network.responseReceived', ({ requestId, response }) => types.set(requestId, response));
    wire.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => sizes.set(requestId, encodedDataLength));
    await context.addInitScript(() => {
      window.shifts = [];
      window.paints = [];
      new PerformanceObserver((list) => {
        shifts.push(...list.getEntries().map(({ value, sources }) => ({ value, moved: sources.map(({ node }) => node?.outerHTML?.slice(0, 100)) })));
      }).observe({ type: 'layout-shift', buffered: true });
      new PerformanceObserver((list) => paints.push(...list.getEntries().map(({ name }) => name))).observe({ type: 'paint', buffered: true });
    });
    // Delay the script until the page has been painted.
    let release;
    const seen = new Promise((resolve) => { release = resolve; });
    await context.route('**/script.js', async (route) => {
      await seen;
      await route.continue();
    });
    const navigation = page.goto(site.address);
    await page.waitForFunction(() => window.paints?.includes('first-contentful-paint'));
    release();
    await navigation;
    await page.getByRole('searchbox').waitFor();
    assert.equal(await page.locator('#topics li').count(), TOPICS);

    // Two frames, so that every layout shift has happened.
    const { shifts, blocking, resources } = await page.evaluate(async () => {
      for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
      const resources = performance.getEntriesByType('resource');
      return {
        shifts,
        resources: resources.map(({ name }) => new URL(name).pathname),
        blocking: resources.filter(({ renderBlockingStatus }) => renderBlockingStatus !== 'non-blocking').map(({ name }) => name),
      };
    });
    assert.deepEqual(shifts, []);
    assert.deepEqual(blocking, []);
    assert.ok(resources.includes('/script.js') && resources.includes('/icon.svg'), `${resources}`);

    const loaded = [...types].map(([id, { url, headers }]) => ({ url, size: sizes.get(id), coding: headers['content-encoding'] ?? headers['Content-Encoding'] }));
    assert.equal(loaded.find(({ url }) => url === site.address).coding, 'gzip');
    const sum = loaded.reduce((sum, { size }) => sum + size, 0);
    t.diagnostic(`${sum} bytes: ${loaded.map(({ url, size }) => `${new URL(url).pathname} ${size}`).join(', ')}; cumulative layout shift 0`);
    assert.ok(sum > 2000 && sum < MOST, `${sum} bytes`);
    assert.deepEqual(report, { elsewhere: [], messages: [], dialogs: [], violations: [] });
    await context.close();
  });
}

test('layout shift is detected', async () => {
  const { context, page } = await visit(browser, site.address);
  await page.goto(site.address);
  const value = await page.evaluate(async () => {
    const moved = new Promise((resolve) => new PerformanceObserver((list) => resolve(list.getEntries()[0].value)).observe({ type: 'layout-shift', buffered: true }));
    for (let frame = 0; frame < 2; frame += 1) await new Promise(requestAnimationFrame);
    document.querySelector('header').style.marginTop = '200px';
    return moved;
  });
  assert.ok(value > 0);
  await context.close();
});
