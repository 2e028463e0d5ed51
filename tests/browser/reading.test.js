// Tasks of readers with mouse and keyboard: with and without JavaScript, and on a static host.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { after, before, describe, test } from 'node:test';

import { launch, visit } from './lib/browser.js';
import { gazette } from './lib/sites.js';
import { serve, until } from './lib/sower.js';

let browser;
let site;

before(async () => {
  browser = await launch();
  site = await serve(gazette());
});

after(async () => {
  await browser?.close();
  await site?.stop();
});

/** Opens the home page, calls `act`, and checks that the pages caused no errors. */
async function reader(options, act, address = site.address) {
  const { context, page, report } = await visit(browser, address, options);
  try {
    await page.goto(address);
    await act(page, { context, address });
    assert.deepEqual(report, { elsewhere: [], messages: [], dialogs: [], violations: [] });
  } finally {
    await context.close();
  }
}

const heading = (page) => page.getByRole('heading', { level: 1 });
const shown = (page) => page.locator('#topics li:visible > .feed > a:first-child').allTextContents();
const spelled = ({ pathname, search, hash }) => decodeURIComponent(pathname + search + hash);
const path = (page) => spelled(new URL(page.url()));
/** Waits for a navigation, since a click returns before the next page is loaded. */
const arrives = (page, expected) => page.waitForURL((url) => spelled(url) === expected);

/** Clicks a link until its page is loaded: on a busy machine Chromium may lose a click while the layout changes. */
const follow = async (page, link, expected) => {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await link.click();
    const loaded = page.waitForURL((url) => spelled(url) === expected, { timeout: 15_000 });
    if (await loaded.then(() => true, () => false)) return;
  }
  assert.equal(path(page), expected);
};

describe('with JavaScript', () => {
  test('search filters topics while typing', async () => {
    await reader({}, async (page) => {
      const all = await shown(page);
      const search = page.getByRole('searchbox', { name: 'Find a topic' });
      const found = page.locator('output');
      await search.fill('learning');
      assert.deepEqual(await shown(page), ['Technology', 'Machine Learning'], 'the parents of a match are shown');
      assert.equal(await found.textContent(), `1 of ${all.length} topics`);
      assert.equal(await found.getAttribute('aria-live') ?? 'polite', 'polite');
      await search.fill('  ELEKTRIZITATEN ');
      assert.equal((await shown(page)).length, 1, 'search ignores case and accents');
      await search.fill('学习');
      assert.deepEqual(await shown(page), ['Technology', 'Machine Learning', '机器学习']);
      await search.fill('no such topic');
      assert.deepEqual(await shown(page), []);
      await page.getByText('No topic is called that.').waitFor();
      await search.press('Enter');
      assert.equal(path(page), '/', 'the search form is not submitted');
      await search.fill('');
      assert.deepEqual(await shown(page), all);
      assert.equal(await found.textContent(), '');
    });
  });

  test('dialog offers the ways to subscribe to a feed', async () => {
    await reader({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page, { address }) => {
      for (const [name, feed] of [['C++', 'topics/c-plus-plus'], ['علم الفلك', 'topics/%D8%B9%D9%84%D9%85-%D8%A7%D9%84%D9%81%D9%84%D9%83'], ['The best videos', 'selections/best-videos']]) {
        const button = page.getByRole('link', { name: `Subscribe to ${name}` });
        await button.click();
        const dialog = page.getByRole('dialog', { name });
        await dialog.waitFor();
        const url = `${address}${feed}.atom`;
        assert.equal(await dialog.getByLabel('Address of this feed').inputValue(), url);
        const links = await dialog.getByRole('listitem').getByRole('link').evaluateAll((links) => links.map((link) => link.href));
        const spelled = encodeURIComponent(url);
        assert.deepEqual(links, [
          `feed:${url}`, `https://feedly.com/i/subscription/feed%2F${spelled}`, `https://www.inoreader.com/?add_feed=${spelled}`,
          `https://www.newsblur.com/?url=${spelled}`, `https://feedbin.com/?subscribe=${spelled}`, `https://theoldreader.com/feeds/subscribe?url=${spelled}`,
        ]);
        await dialog.getByRole('button', { name: 'Copy' }).click();
        await dialog.getByRole('button', { name: 'Copied' }).waitFor();
        assert.equal(await page.evaluate(() => navigator.clipboard.readText()), url);
        assert.equal((await fetch(url)).status, 200, 'the feed exists');
        await page.keyboard.press('Escape');
        await dialog.waitFor({ state: 'hidden' });
        assert.ok(await button.evaluate((button) => button === document.activeElement), 'the focus returns to the button');
      }
      await page.getByRole('link', { name: 'Subscribe to C++' }).click();
      await page.getByRole('dialog').getByRole('link', { name: 'Its page' }).click();
      await heading(page).getByText('C++').waitFor();
    });
  });

  test('script and server link to the same feed readers', async () => {
    await reader({}, async (page, { address }) => {
      await page.getByRole('link', { name: 'Subscribe to ספריות' }).click();
      const links = () => page.locator('.readers:visible').last().getByRole('link').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
      const inDialog = await links();
      await page.goto(`${address}topics/ספריות`);
      assert.deepEqual(inDialog, await links());
    });
  });

  test('address is copied without the clipboard API', async () => {
    const { context, page } = await visit(browser, site.address, { permissions: ['clipboard-read'] });
    await context.addInitScript(() => {
      window.copied = [];
      Object.defineProperty(navigator, 'clipboard', { value: undefined });
      document.addEventListener('copy', () => copied.push(getSelection().toString() || document.activeElement.value));
    });
    await page.goto(site.address);
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    assert.deepEqual(await page.evaluate(() => copied), [`${site.address}all.atom`]);
    await context.close();
  });

  test('dates are shown in the time zone of the reader', async () => {
    await reader({ timezoneId: 'Asia/Kolkata' }, async (page, { address }) => {
      await page.goto(`${address}topics/technology`);
      const times = await page.locator('article time').evaluateAll((times) => times.map((time) => [time.dateTime, time.textContent, time.title]));
      const [at, shown, title] = times.find(([at]) => !at.includes('T00:00'));
      const local = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone: 'Asia/Kolkata' });
      assert.equal(shown, local.format(new Date(at)));
      assert.match(shown, /:45$/);
      assert.match(title, /:15 UTC$/, 'the title keeps the time in UTC');
      const [day, words] = times.find(([at]) => at.includes('T00:00'));
      assert.equal(words, new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeZone: 'UTC' }).format(new Date(day)), 'a date without a time is not converted');
    });
  });

  test('form builds a selection', async () => {
    await reader({}, async (page, { address }) => {
      await page.getByRole('link', { name: 'Build a selection of your own' }).click();
      await page.waitForURL(`${address}all#choose`);
      await page.getByRole('checkbox', { name: 'Nature' }).check();
      await page.getByRole('checkbox', { name: 'علم الفلك' }).check();
      await page.getByRole('checkbox', { name: 'video' }).check();
      await page.getByLabel('Quality at least').fill('50');
      await page.getByRole('button', { name: 'Show the selection' }).click();
      await page.waitForURL(`${address}all?any=nature,${encodeURIComponent('علم-الفلك')}&type=video&min_quality=50`);
      const kinds = await page.locator('article .kind').allTextContents();
      assert.ok(kinds.length > 1 && kinds.every((kind) => kind === 'video'), `${kinds}`);
      const feed = await page.getByLabel('Address of this feed').inputValue();
      assert.equal(feed, page.url().replace('/all?', '/all.atom?'));
      const answer = await fetch(feed, { redirect: 'error' });
      assert.equal((await answer.text()).match(/<entry>|<entry /g).length, kinds.length);
      assert.ok(await page.getByRole('checkbox', { name: 'Nature' }).isChecked(), 'the form keeps the chosen criteria');
      await page.getByRole('checkbox', { name: 'video' }).uncheck();
      await page.getByLabel('First').selectOption('What is talked about most');
      await page.getByRole('button', { name: 'Show the selection' }).click();
      await page.waitForURL(/all\?any=nature,[^&]*&min_quality=50&order=heat$/);
      await page.getByRole('link', { name: 'Begin anew' }).click();
      await page.waitForURL(`${address}all#choose`);
      assert.equal(await page.getByRole('checkbox', { checked: true }).count(), 0);
      assert.ok(await page.locator('.unfiltered').isHidden());
    });
  });
});

for (const javaScriptEnabled of [true, false]) {
  describe(javaScriptEnabled ? 'with JavaScript and without' : 'without JavaScript', () => {
    test('links lead through the archive of a topic', async () => {
      await reader({ javaScriptEnabled }, async (page, { address }) => {
        await follow(page, page.getByRole('link', { name: 'Technology', exact: true }), '/topics/technology');
        assert.equal(await page.getByLabel('Address of this feed').inputValue(), `${address}topics/technology.atom`);
        assert.equal(await page.locator('article').count(), 12);
        for (const type of ['application/atom+xml', 'application/rss+xml', 'application/feed+json']) {
          const link = await page.locator(`link[rel=alternate][type="${type}"]`).getAttribute('href');
          assert.equal((await fetch(link)).headers.get('content-type').split(';')[0], type);
        }
        const archive = page.getByRole('navigation', { name: 'Archive' });
        await follow(page, archive.getByRole('link', { name: 'Mar 2024' }), '/topics/technology/2024-03');
        assert.equal(await heading(page).textContent(), 'Technology in March 2024');
        const times = await page.locator('article time').evaluateAll((times) => times.map((time) => time.dateTime.slice(0, 7)));
        assert.ok(times.length > 0 && times.every((month) => month === '2024-03'));
        await follow(page, page.getByRole('link', { name: 'February 2024' }), '/topics/technology/2024-02');
        await follow(page, page.getByRole('link', { name: 'March 2024' }), '/topics/technology/2024-03');
        await follow(page, page.getByRole('link', { name: 'All months' }), '/topics/technology#archive');
        await page.goBack();
        await arrives(page, '/topics/technology/2024-03');
        await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'Technology' }).click();
        await page.getByRole('link', { name: 'Machine Learning', exact: true }).click();
        await page.getByRole('link', { name: '机器学习', exact: true }).click();
        await arrives(page, '/topics/机器学习');
        await page.getByRole('navigation', { name: 'Breadcrumb' }).getByRole('link', { name: 'The Winter Gazette' }).click();
        await arrives(page, '/');
      });
    });

    test('feed address shows the page, or the feed itself with ?raw', async () => {
      await reader({ javaScriptEnabled }, async (page, { address }) => {
        await page.goto(`${address}topics/technology.atom`);
        assert.equal(await heading(page).textContent(), 'Technology');
        await page.getByText('Other formats').click();
        for (const [format, begins] of [['Atom', '<feed'], ['RSS', '<rss']]) {
          const [answer] = await Promise.all([
            page.waitForResponse((answer) => answer.url().endsWith('?raw')),
            page.getByRole('link', { name: `View the feed as ${format}` }).click(),
          ]);
          assert.match(answer.headers()['content-type'], /xml/);
          assert.ok((await answer.text()).includes(begins));
          await page.waitForURL(/\?raw$/);
          assert.equal(await page.locator('h1').count(), 0, 'the feed itself is shown');
          await page.goto(`${address}topics/technology`);
          await page.getByText('Other formats').click();
        }
      });
    });

    test('OPML list contains every feed', async () => {
      await reader({ javaScriptEnabled }, async (page) => {
        const href = await page.getByRole('link', { name: 'Every feed as OPML' }).getAttribute('href');
        const list = await (await fetch(new URL(href, page.url()))).text();
        const addresses = [...list.matchAll(/xmlUrl="([^"]+)"/g)].map(([, address]) => address.replaceAll('&amp;', '&'));
        assert.ok(addresses.length > 15);
        for (const address of addresses) assert.equal((await fetch(address)).status, 200, address);
      });
    });
  });
}

describe('without JavaScript', () => {
  const options = { javaScriptEnabled: false };

  test('controls that need JavaScript are hidden, and subscribing is a link', async () => {
    await reader(options, async (page, { address }) => {
      for (const control of ['[data-copies]', '[data-filters]', 'dialog', '.none']) {
        assert.ok(await page.locator(control).count() > 0, control);
        for (const one of await page.locator(control).all()) assert.ok(await one.isHidden(), control);
      }
      assert.equal(await page.locator('[data-filters]').evaluate((form) => form.getBoundingClientRect().height), 0, 'hidden controls take no space');
      await page.getByRole('link', { name: 'Subscribe to C++' }).click();
      await arrives(page, '/topics/c-plus-plus#subscribe');
      assert.equal(await page.getByLabel('Address of this feed').inputValue(), `${address}topics/c-plus-plus.atom`);
      assert.ok((await page.locator('article time').first().textContent()).length > 8);
    });
  });

  test('form builds a selection', async () => {
    await reader(options, async (page, { address }) => {
      await page.getByRole('link', { name: 'Build a selection of your own' }).click();
      await page.getByText('Build a selection', { exact: true }).click();
      await page.getByRole('checkbox', { name: 'Rust' }).check();
      await page.getByRole('checkbox', { name: 'article' }).check();
      await page.getByRole('button', { name: 'Show the selection' }).click();
      await page.waitForURL(`${address}all?any=rust&type=article`);
      assert.equal(await page.getByLabel('Address of this feed').inputValue(), `${address}all.atom?any=rust&type=article`);
      assert.deepEqual(new Set(await page.locator('article .kind').allTextContents()), new Set(['article']));
    });
  });
});

test('links of all pages work', async () => {
  const dead = await deadLinks(site.address, fetch);
  assert.deepEqual(dead, []);
});

/** Follows all links within a site from its home page on, and returns the dead ones. */
async function deadLinks(home, get) {
  const { context, page } = await visit(browser, home, { javaScriptEnabled: false });
  const [seen, queue, dead] = [new Map(), [home], []];
  while (queue.length > 0) {
    const address = queue.pop();
    const answer = await get(address);
    const type = answer.headers.get('content-type') ?? '';
    if (answer.status !== 200) dead.push(`${answer.status} ${address}`);
    const text = await answer.text();
    seen.set(address, type);
    if (!type.startsWith('text/html')) continue;
    await page.setContent(text.replace('<head>', `<head><base href="${answer.url}">`).replace(/<meta http-equiv[^>]*>/, ''));
    const links = await page.locator('a, link:not([rel=canonical]):not([rel=alternate]), script[src], img').evaluateAll((links) => links.map((link) => link.href ?? link.src));
    for (const link of links.map((link) => link.split('#')[0])) {
      if (!link.startsWith(home) || seen.has(link)) continue;
      seen.set(link, '');
      queue.push(link);
    }
  }
  await context.close();
  assert.ok(seen.size > 60, 'the crawl found the pages');
  return dead;
}

describe('on a static host', () => {
  const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.svg': 'image/svg+xml', '.atom': 'application/atom+xml', '.rss': 'application/rss+xml', '.json': 'application/feed+json', '.opml': 'text/x-opml' };
  const PREFIX = '/feeds/';
  let mirrored;
  let host;
  let home;

  before(async () => {
    // Listen before sower writes the files, since they contain the address of the host.
    host = createServer(async (request, response) => {
      const { pathname, search } = new URL(request.url, 'http://host');
      const asked = decodeURIComponent(pathname);
      const file = join(mirrored.mirror, normalize(`/${asked.slice(PREFIX.length)}`), asked.endsWith('/') ? 'index.html' : '');
      try {
        const bytes = await readFile(file);
        response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }).end(bytes);
      } catch (error) {
        if (error.code === 'EISDIR') response.writeHead(301, { location: `${pathname}/${search}` }).end();
        else response.writeHead(404, { 'content-type': TYPES['.html'] }).end(await readFile(join(mirrored.mirror, '404.html')));
      }
    });
    await new Promise((resolve) => host.listen(0, '127.0.0.1', resolve));
    home = `http://127.0.0.1:${host.address().port}${PREFIX}`;
    mirrored = await serve({ ...gazette({ url: home }), mirrored: true });
    await until(() => readFile(join(mirrored.mirror, 'topics/technology/2024-03/index.html')).catch(() => false), 'the mirror');
  });

  after(async () => {
    host?.close();
    await mirrored?.stop();
  });

  test('links of all pages work', async () => {
    assert.deepEqual(await deadLinks(home, fetch), []);
  });

  test('search, subscribing and dates work', async () => {
    await reader({}, async (page) => {
      await page.getByRole('searchbox').fill('c++');
      assert.deepEqual(await shown(page), ['Technology', 'C++']);
      await page.getByRole('link', { name: 'Subscribe to C++' }).click();
      assert.equal(await page.getByRole('dialog').getByLabel('Address of this feed').inputValue(), `${home}topics/c-plus-plus.atom`);
      await page.getByRole('link', { name: 'Its page' }).click();
      await heading(page).getByText('C++').waitFor();
      await arrives(page, '/feeds/topics/c-plus-plus/');
      assert.equal(await page.locator('script').evaluate((script) => new URL(script.src).pathname), '/feeds/script.js');
      const [from] = await page.locator('article time').evaluateAll((times) => times.map((time) => time.title).filter(Boolean));
      assert.match(from, /UTC$/, 'the script runs on a static host');
    }, home);
  });

  test('form explains that a selection needs sower itself', async () => {
    await reader({}, async (page) => {
      await page.getByRole('link', { name: 'Build a selection of your own' }).click();
      const note = page.getByText('a selection needs sower itself');
      assert.ok(await note.isHidden(), 'the note is hidden until a criterion is chosen');
      await page.getByRole('checkbox', { name: 'Rust' }).check();
      await page.getByRole('button', { name: 'Show the selection' }).click();
      await note.waitFor();
    }, home);
  });

  test('unknown address shows the 404 page', async () => {
    const { context, page } = await visit(browser, home);
    const answer = await page.goto(`${home}nowhere`);
    assert.equal(answer.status(), 404);
    await page.getByRole('main').getByRole('link', { name: 'the list of every feed' }).click();
    await page.waitForURL(home);
    await context.close();
  });
});
