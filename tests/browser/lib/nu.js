// The Nu HTML checker.

import { execFile } from 'node:child_process';
import { createServer } from 'node:http';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

const jar = fileURLToPath(new URL('../node_modules/vnu-jar/build/dist/vnu.jar', import.meta.url));

/** Returns the messages of the checker about pages, given by name, one line each. Java starts once for all pages. */
export async function check(pages) {
  const names = Object.keys(pages);
  // `'self'` in a policy is the host of the page, so the pages are served rather than read as files.
  const host = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(pages[names[request.url.slice(1)]]);
  });
  await new Promise((resolve) => host.listen(0, '127.0.0.1', resolve));
  try {
    const addresses = names.map((_, index) => `http://127.0.0.1:${host.address().port}/${index}`);
    const output = await new Promise((resolve, reject) => {
      const options = { maxBuffer: 1 << 28 };
      const local = '-Dnu.validator.servlet.allow-forbidden-hosts=true';
      execFile('java', [local, '-jar', jar, '--format', 'json', ...addresses], options, (failed, _, output) => {
        // The exit code is 1 if there are messages.
        if (failed && failed.code !== 1) reject(failed);
        else resolve(output);
      });
    });
    return JSON.parse(output).messages.map(({ url, type, subType, message, lastLine, extract }) => {
      const name = names[parseInt(basename(url ?? ''), 10)];
      return `${name}:${lastLine}: ${subType ?? type}: ${message} ${JSON.stringify(extract ?? '')}`;
    });
  } finally {
    host.close();
    host.closeAllConnections();
  }
}
