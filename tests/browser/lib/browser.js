// Debian's Chromium, and a page in it that keeps account of everything that must not happen.

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

import { DEADLINE } from './sower.js';

const command = process.env.CHROMIUM ?? '/usr/bin/chromium';

// Nothing of its own may go to the network, which may be closed.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export function launch() {
  if (!existsSync(command)) throw new Error(`${command} is not there: it is in Debian's package chromium`);
  return chromium.launch({ executablePath: command, args });
}

/** A picture for every address on another host, of a colour and a size by its name. */
function picture(url) {
  const hue = [...url].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360">
    <rect width="640" height="360" fill="hsl(${hue} 45% 55%)"/>
    <circle cx="420" cy="150" r="90" fill="hsl(${hue} 60% 80%)"/></svg>`;
}

/**
 * A context at a site. `report` gathers what pages in it do: requests to other hosts, what the
 * console says, dialogs, breaches of their policy.
 */
export async function visit(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', timezoneId: 'UTC', ...options });
  context.setDefaultTimeout(DEADLINE);
  const report = { elsewhere: [], said: [], dialogs: [], breaches: [] };
  const host = new URL(address).host;
  await context.route((url) => url.host !== host, async (route) => {
    const request = route.request();
    report.elsewhere.push({ url: request.url(), type: request.resourceType() });
    if (request.resourceType() === 'image' || request.url().endsWith('.svg')) await route.fulfill({ contentType: 'image/svg+xml', body: picture(request.url()) });
    else await route.abort();
  });
  await context.exposeBinding('reportBreach', (_, breach) => report.breaches.push(breach));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      reportBreach(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  context.on('console', (message) => report.said.push(`${message.type()}: ${message.text()}`));
  context.on('weberror', (error) => report.said.push(`error: ${error.error().message}`));
  context.on('dialog', (dialog) => {
    report.dialogs.push(dialog.message());
    dialog.dismiss().catch(() => {});
  });
  return { context, page: await context.newPage(), report };
}
