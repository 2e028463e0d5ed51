// Runs the daemon with given seeds and configuration.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const command = resolve(process.env.SOWER ?? join(root, 'target/debug/sower'));

/** The timeout of every step, in milliseconds. */
export const DEADLINE = 60_000;

/** The directory for screenshots. */
export const screenshots = join(root, 'target/screenshots');

/**
 * Serves a site, given its configuration and its seeds by path. Their front matter is written as JSON,
 * which is valid YAML. Returns the `address` of the home page and the `mirror`, the feeds directory.
 */
export async function serve({ config = {}, seeds = {}, mirrored = false }) {
  if (!existsSync(command)) throw new Error(`${command} does not exist; run \`cargo build\``);
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
  const log = [];
  const address = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`sower does not serve:\n${log.join('\n')}`)), DEADLINE);
    daemon.once('error', reject);
    ended.then(() => reject(new Error(`sower ended:\n${log.join('\n')}`)));
    createInterface({ input: daemon.stderr }).on('line', (line) => {
      log.push(line);
      const [, address] = line.match(/ serving (http\S+)all with /) ?? [];
      if (address) {
        clearTimeout(late);
        resolve(address);
      }
    });
  });
  let stopping = false;
  ended.then(() => {
    if (!stopping) console.error(`sower ended unexpectedly:\n${log.slice(-10).join('\n')}`);
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
  return { address, mirror, log, stop };
}

/** Waits until `holds` returns a true value, and returns that value. */
export async function until(holds, what) {
  const end = Date.now() + DEADLINE;
  for (;;) {
    const held = await holds();
    if (held) return held;
    if (Date.now() > end) throw new Error(`${what} did not appear in time`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
