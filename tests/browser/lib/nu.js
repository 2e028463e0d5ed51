// The Nu HTML checker.

import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const jar = fileURLToPath(new URL('../node_modules/vnu-jar/build/dist/vnu.jar', import.meta.url));

/** Everything it has to say of pages by name, a line each. Java starts once for all of them. */
export async function check(pages) {
  const directory = await mkdtemp(join(tmpdir(), 'sower-nu-'));
  try {
    const names = Object.keys(pages);
    const files = names.map((_, index) => join(directory, `${index}.html`));
    await Promise.all(names.map((name, index) => writeFile(files[index], pages[name])));
    const said = await new Promise((resolve, reject) => {
      const options = { maxBuffer: 1 << 28 };
      execFile('java', ['-Xss4m', '-jar', jar, '--format', 'json', ...files], options, (failed, _, said) => {
        // It ends with 1 when it has something to say.
        if (failed && failed.code !== 1) reject(failed);
        else resolve(said);
      });
    });
    return JSON.parse(said).messages.map(({ url, type, subType, message, lastLine, extract }) => {
      const name = names[parseInt(basename(url ?? ''), 10)];
      return `${name}:${lastLine}: ${subType ?? type}: ${message} ${JSON.stringify(extract ?? '')}`;
    });
  } finally {
    await rm(directory, { recursive: true });
  }
}
