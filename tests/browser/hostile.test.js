// Hostile seeds, which try to run scripts in browsers or to make them send requests to other hosts.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';

import { launch, visit } from './lib/browser.js';
import { check } from './lib/nu.js';
import { serve } from './lib/sower.js';

const ELSEWHERE = 'https://elsewhere.example';

/** Markup that runs a script or requests another host unless it is escaped. */
const MARKUP = {
  script: '<script>window.__xss = 1</script>',
  'foreign script': `<script src="${ELSEWHERE}/x.js"></script>`,
  image: '<img src="x:" onerror="window.__xss = 1">',
  'foreign image': `<img src="${ELSEWHERE}/x.png">`,
  svg: '<svg onload="window.__xss = 1"><script>window.__xss = 1</script></svg>',
  'double quote': '" autofocus onfocus="window.__xss = 1" style="display:block" x="',
  'single quote': "' autofocus onfocus='window.__xss = 1' style='display:block' x='",
  'end of an attribute': '"><img src="x:" onerror="window.__xss = 1"><b title="',
  'end of a style': '</style><img src="x:" onerror="window.__xss = 1">',
  'end of a title': '</title><script>window.__xss = 1</script>',
  'end of a comment': '--><img src="x:" onerror="window.__xss = 1"><!--',
  'end of a section': ']]><script>window.__xss = 1</script>',
  'style': `<style>body { background: url(${ELSEWHERE}/x.png) }</style>`,
  'frame': '<iframe srcdoc="<script>parent.__xss = 1</script>"></iframe>',
  'frame of a script': '<iframe src="javascript:parent.__xss = 1"></iframe>',
  'refresh': '<meta http-equiv="refresh" content="0;url=javascript:window.__xss=1">',
  'details': '<details open ontoggle="window.__xss = 1">x</details>',
  'namespaces': '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=x: onerror=window.__xss=1&gt;">',
  'entities': '&lt;img src=x: onerror=window.__xss=1&gt;',
};
/** Harmless text with characters that need special treatment. */
const TEXT = {
  'template': '{{7*7}}{% raw %}${7*7}<%= 7*7 %>',
  'turned': 'abc\u202Egnp.exe\u2066',
  'nulls': 'a\u0000b\u001Bc\u0085',
};
const ADDRESSES = {
  'script': 'javascript:window.__xss=1',
  'script in capitals': 'JaVaScRiPt:window.__xss=1',
  'script with a tab': 'java\tscript:window.__xss=1',
  'script with a slash': 'javascript://x.example/%0Awindow.__xss=1',
  'data': 'data:text/html,<script>window.__xss=1</script>',
  'picture': 'data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="window.__xss=1"/>',
  'quotes': `${ELSEWHERE}/"onmouseover="window.__xss=1"x="`,
  'tags': `${ELSEWHERE}/</a><script>window.__xss=1</script>`,
  'plain': 'http://plain.example/x.png',
  'vbscript': 'vbscript:msgbox(1)',
};

/** Every field of a seed, with a function that returns front matter with a payload in that field. */
const FIELDS = {
  title: (text) => ({ title: text }),
  excerpt: (text) => ({ excerpt: text }),
  topics: (text) => ({ topics: ['Hostile', `t ${text}`] }),
  'provider.name': (text) => ({ provider: { name: text } }),
  'provider.domain': (text) => ({ provider: { name: 'P', domain: text } }),
  'provider.images': (text) => ({ provider: { name: 'P', domain: 'a.example', images: [{ url: text }] } }),
  'provider.authors': (text) => ({ provider: { authors: [{ name: text }] } }),
  'images.url': (text) => ({ images: [{ url: text }] }),
  'images.size': (text) => ({ images: [{ url: `${ELSEWHERE}/p.svg`, width: text, height: text }] }),
  'images.title': (text) => ({ images: [{ url: `${ELSEWHERE}/p.svg`, title: text }] }),
  webUrl: (text) => ({ webUrl: text }),
  originalUrl: (text) => ({ originalUrl: text }),
  'both addresses': (text) => ({ webUrl: text, originalUrl: 'https://a.example/original' }),
  'related.title': (text) => ({ related: [{ title: text, webUrl: 'https://a.example/r' }] }),
  'related.webUrl': (text) => ({ related: [{ title: 'R', webUrl: text }] }),
  'related.provider': (text) => ({ related: [{ title: 'R', webUrl: 'https://a.example/r', provider: { name: text } }] }),
  'actions.url': (text) => ({ actions: [{ title: 'A', url: text }] }),
  'actions.title': (text) => ({ actions: [{ title: text, url: 'https://a.example/x.mp3' }] }),
  type: (text) => ({ type: text }),
  category: (text) => ({ category: text }),
  language: (text) => ({ language: text }),
  length: (text) => ({ length: text }),
  quality: (text) => ({ quality: text }),
  updatedDateTime: (text) => ({ updatedDateTime: text }),
  id: (text) => ({ id: text }),
  featuredContent: (text) => ({ featuredContent: text }),
  body: (text) => ({ body: text }),
  unknown: (text) => ({ [`x ${text}`]: text }),
};

const PAYLOADS = Object.entries({ ...MARKUP, ...TEXT, ...ADDRESSES });

/** Returns a seed for each pair of field and payload, and one with each payload in its file name. */
function seeds() {
  const seeds = {};
  let number = 0;
  for (const [field, filled] of Object.entries(FIELDS)) {
    for (const [name, text] of PAYLOADS) {
      number += 1;
      const date = `${2020 + number % 4}-${String(1 + number % 12).padStart(2, '0')}-05`;
      // The other fields are valid, so that the seed has an entry that shows the payload.
      const seed = { title: `${field}: ${name}`, topics: ['Hostile'], publishedDateTime: date, excerpt: 'E', ...filled(text) };
      seeds[`${date}-${number}.${number % 2 ? 'md' : 'html'}`] = seed;
    }
  }
  for (const [name, text] of PAYLOADS) {
    const file = text.replaceAll(/[/\0]/g, '∕').slice(0, 100);
    seeds[`2024-01-01-${file}.md`] = { title: `file name: ${name}`, topics: ['Hostile'] };
  }
  return seeds;
}

/** Returns a configuration with payloads in every part that pages show. */
function config(pictures) {
  const texts = Object.entries(MARKUP);
  return {
    title: `Gazette ${MARKUP.script}${MARKUP['end of a title']}`,
    copyright: `© ${MARKUP.image}`,
    entries: 2000,
    pictures,
    topics: texts.map(([name, text], index) => ({
      name: `Named ${name} ${text}`,
      slug: `named-${index}`,
      description: `${text}${TEXT.template}`,
      ...(index % 3 && { parent: `named-${index - index % 3}` }),
    })),
    selections: texts.map(([, text], index) => ({ name: `selection-${index}`, title: text, description: text, any: ['hostile'], entries: 3 })),
  };
}

/** Returns the elements and attributes of the document that no seed may put there. Runs in the page. */
function unwanted(mayShowPictures) {
  const found = [];
  const report = (element, why) => found.push(`${why}: ${element.outerHTML.slice(0, 200)}`);
  for (const element of document.querySelectorAll('*')) {
    for (const { name, value } of element.attributes) {
      if (name.startsWith('on') || name === 'style' || name === 'srcdoc' || name === 'autofocus') report(element, name);
      // Relative addresses have no scheme.
      const scheme = /^\s*([a-z][a-z0-9+.-]*):/i.exec(value.replaceAll(/[\t\n\r]/g, ''))?.[1].toLowerCase();
      if (['href', 'src', 'action', 'formaction', 'srcset', 'data'].includes(name) && scheme && !['https', 'http', 'feed'].includes(scheme)) report(element, `${name} of ${scheme}`);
      if (name === 'src' && element.localName === 'img' && element.getAttribute('src').includes(':') && !(mayShowPictures && scheme === 'https')) report(element, 'picture');
    }
  }
  for (const element of document.querySelectorAll('iframe, object, embed, base, math, svg script, body style, body script, body link, body meta, head script:not([src$="/script.js"]), meta[http-equiv]:not([http-equiv=Content-Security-Policy])')) report(element, 'element');
  if (/(?<!\{\{7\*7\}\}[^<]*)\b49\b/.test(document.body.textContent)) found.push('a template ran');
  return found;
}

let browser;

before(async () => {
  browser = await launch();
});

after(async () => {
  await browser?.close();
});

for (const pictures of [false, true]) {
  describe(`with pictures ${pictures ? 'on' : 'off'}`, () => {
    let site;
    let paths;

    before(async () => {
      site = await serve({ config: config(pictures), seeds: seeds() });
      const list = await (await fetch(`${site.address}feeds.opml`)).text();
      const feeds = [...list.matchAll(/htmlUrl="([^"]+)"/g)].map(([, url]) => url.replaceAll('&amp;', '&').slice(site.address.length));
      assert.ok(feeds.length > 50, `${feeds.length} feeds`);
      const nasty = encodeURIComponent(MARKUP.script);
      paths = [...new Set([
        '', ...feeds, 'all', 'all?any=hostile&type=article', `all?any=${nasty}`, `all?provider=${nasty}&type=${nasty}`, `all?limit=3&x=${nasty}`,
        `nowhere/${nasty}`, `topics/${nasty}`, `all?any=hostile&none=${nasty}#${MARKUP.image}`,
      ])];
    });

    after(async () => {
      await site?.stop();
    });

    // Without the Content Security Policy, so that escaping alone has to suffice, and with it.
    for (const bypassCSP of [true, false]) {
      test(bypassCSP ? 'payloads do not run without a Content Security Policy' : 'payloads do not run and cause no policy violations', async () => {
        const { context, page, report } = await visit(browser, site.address, { bypassCSP });
        for (const path of paths) {
          await page.goto(site.address + path);
          await page.evaluate(() => document.querySelectorAll('details').forEach((details) => { details.open = true; }));
          // Load the images below the fold too.
          await page.evaluate(async () => {
            for (const image of document.images) image.loading = 'eager';
            await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
          });
          assert.deepEqual(await page.evaluate(unwanted, pictures), [], path);
          assert.equal(await page.evaluate(() => window.__xss), undefined, path);
        }
        assert.deepEqual(report.dialogs, []);
        assert.deepEqual(report.violations, []);
        assert.deepEqual(report.messages.filter((line) => !/status of 40[04]/.test(line)), []);
        const called = report.elsewhere.filter(({ url, type }) => !(pictures && type === 'image' && url.startsWith('https:')));
        assert.deepEqual(called, []);
        assert.equal(report.elsewhere.length > 0, pictures, 'pictures are requested only if they are enabled');
        await context.close();
      });
    }

    test('payloads are shown as text', async () => {
      const { context, page } = await visit(browser, site.address);
      await page.goto(`${site.address}topics/hostile`);
      const text = (await page.locator('main').textContent()).replaceAll(/\s+/g, ' ');
      for (const [name, payload] of Object.entries(MARKUP).filter(([name]) => name !== 'entities')) {
        for (const field of ['title', 'excerpt', 'provider.name', 'provider.authors', 'related.title', 'related.provider', 'type']) {
          // Entities are decoded once.
          const shown = payload.replaceAll('&gt;', '>').replaceAll('&lt;', '<');
          assert.ok(text.includes(shown), `${field}: ${name}`);
        }
      }
      assert.ok(text.includes(TEXT.template));
      assert.ok(!/[\u202A-\u202E\u2066-\u2069\0]/.test(await page.content()), 'the page has no characters that change the direction of text');
      await context.close();
    });

    test('payloads do not run in raw feeds', async () => {
      const { context, page, report } = await visit(browser, site.address);
      for (const path of ['all.atom?raw', 'topics/hostile.rss?raw', 'topics/hostile.json?raw', 'feeds.opml']) {
        await page.goto(site.address + path).catch((error) => assert.match(error.message, /Download is starting/, path));
        assert.equal(await page.evaluate(() => window.__xss), undefined, path);
      }
      assert.deepEqual({ ...report, messages: [] }, { elsewhere: [], messages: [], dialogs: [], violations: [] });
      await context.close();
    });

    test('pages are valid HTML', async () => {
      const pages = {};
      for (const path of ['', 'all', 'topics/hostile', 'selections/selection-0']) pages[path || 'home'] = await (await fetch(site.address + path)).text();
      assert.deepEqual(await check(pages), []);
    });
  });
}

test('unescaped payloads are detected', async () => {
  let written = '';
  const server = createServer((_, response) => response.writeHead(200, { 'content-type': 'text/html' }).end(written));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${server.address().port}/`;
  const { context, page, report } = await visit(browser, address);
  const harmful = Object.entries(MARKUP).filter(([name]) => name !== 'entities');
  const contexts = (text) => [`<p>${text}</p>`, `<input title="${text}">`, `<input title='${text}'>`, `<title>${text}</title>`, `<!--${text}-->`, `<style>${text}</style>`, `<svg><![CDATA[${text}]]></svg>`];
  const unnoticed = [];
  for (const [name, text] of [...harmful, ...Object.entries(ADDRESSES).map(([name, url]) => [`address: ${name}`, url])]) {
    let noticed = false;
    const documents = name.startsWith('address') ? [`<a href="${text}">x</a>`, `<img src="${text}">`] : contexts(text);
    for (const body of documents) {
      written = `<!doctype html><body>${body}`;
      report.elsewhere.length = 0;
      await page.goto(address).catch(() => {});
      noticed ||= (await page.evaluate(unwanted, false)).length > 0 || report.elsewhere.length > 0 || await page.evaluate(() => window.__xss) !== undefined;
    }
    if (!noticed) unnoticed.push(name);
  }
  assert.deepEqual(unnoticed, []);
  await context.close();
  server.close();
});
