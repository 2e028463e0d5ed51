// The daemon, over seeds and a configuration that are written for it.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const command = resolve(process.env.SOWER ?? join(root, 'target/debug/sower'));

/** How long anything may take before it has failed. */
export const DEADLINE = 60_000;

/** Where what people may want to look at is kept. */
export const screenshots = join(root, 'target/screenshots');

/**
 * Serves a site: a configuration, and its seeds by path, whose front matter is JSON, which YAML includes.
 * With `address`, the address of its home page; with `mirror`, a directory of the same as files.
 */
export async function serve({ config = {}, seeds = {}, mirrored = false }) {
  if (!existsSync(command)) throw new Error(`${command} is not there: \`cargo build\` makes it`);
  const directory = await mkdtemp(join(tmpdir(), 'sower-browser-'));
  const mirror = join(directory, 'feeds');
  const settings = { listen: '127.0.0.1:0', admin_listen: 'off', feeds: mirrored ? mirror : 'off', ...config };
  await mkdir(join(directory, 'seeds'));
  await writeFile(join(directory, 'sower.yaml'), JSON.stringify(settings));
  for (const [path, { body = '', ...fields }] of Object.entries(seeds)) {
    const file = join(directory, 'seeds', path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `---\n${JSON.stringify(fields)}\n---\n${body}`);
  }

  const daemon = spawn(command, ['serve', '--no-cache', '--config', join(directory, 'sower.yaml')], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { PATH: process.env.PATH, HOME: directory },
  });
  const ended = new Promise((resolve) => daemon.once('close', resolve));
  const said = [];
  const address = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`sower does not serve:\n${said.join('\n')}`)), DEADLINE);
    daemon.once('error', reject);
    ended.then(() => reject(new Error(`sower ended:\n${said.join('\n')}`)));
    createInterface({ input: daemon.stderr }).on('line', (line) => {
      said.push(line);
      const [, address] = line.match(/ serving (http\S+)all with /) ?? [];
      if (address) {
        clearTimeout(late);
        resolve(address);
      }
    });
  });
  let stopping = false;
  ended.then(() => {
    if (!stopping) console.error(`sower ended before its time:\n${said.slice(-10).join('\n')}`);
  });
  const kill = () => daemon.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async () => {
    stopping = true;
    process.off('exit', kill);
    daemon.kill('SIGTERM');
    await ended;
    await rm(directory, { recursive: true });
  };
  return { address, mirror, said, stop };
}

/** Waits until something holds. */
export async function until(holds, what) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const held = await holds();
    if (held) return held;
    if (Date.now() > end) throw new Error(`${what} did not come to be in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
