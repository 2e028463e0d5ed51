// Debian's Chromium, and pages in it that record unwanted behaviour.

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

import { DEADLINE } from './sower.js';

const command = process.env.CHROMIUM ?? '/usr/bin/chromium';

// Chromium must send no requests of its own, since the network may be unavailable.
const args = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export function launch() {
  if (!existsSync(command)) throw new Error(`${command} does not exist; install Debian's package chromium`);
  return chromium.launch({ executablePath: command, args });
}

/** Returns a picture for an address on another host, in a colour derived from the address. */
function picture(url) {
  const hue = [...url].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="360">
    <rect width="640" height="360" fill="hsl(${hue} 45% 55%)"/>
    <circle cx="420" cy="150" r="90" fill="hsl(${hue} 60% 80%)"/></svg>`;
}

/**
 * Returns a browser context for a site and a page in it. `report` collects requests to other hosts,
 * console messages, dialogs, and violations of the Content Security Policy.
 */
export async function visit(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: 'en-GB', timezoneId: 'UTC', ...options });
  context.setDefaultTimeout(DEADLINE);
  const report = { elsewhere: [], messages: [], dialogs: [], violations: [] };
  const host = new URL(address).host;
  await context.route((url) => url.host !== host, async (route) => {
    const request = route.request();
    report.elsewhere.push({ url: request.url(), type: request.resourceType() });
    if (request.resourceType() === 'image' || request.url().endsWith('.svg')) await route.fulfill({ contentType: 'image/svg+xml', body: picture(request.url()) });
    else await route.abort();
  });
  await context.exposeBinding('reportViolation', (_, violation) => report.violations.push(violation));
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      reportViolation(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  context.on('console', (message) => report.messages.push(`${message.type()}: ${message.text()}`));
  context.on('weberror', (error) => report.messages.push(`error: ${error.error().message}`));
  context.on('dialog', (dialog) => {
    report.dialogs.push(dialog.message());
    dialog.dismiss().catch(() => {});
  });
  return { context, page: await context.newPage(), report };
}
