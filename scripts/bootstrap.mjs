#!/usr/bin/env node
// Runs a TypeScript file of this project from a bare clone: installs the locked dependencies when they are missing or
// stale, then hands over to the Node 24 among them. Plain JavaScript, since the machine's own Node (>= 18) reads it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Fingerprint of the lock file: what node_modules must have been installed from. */
export function lockHash(directory) {
  return createHash('sha256')
    .update(readFileSync(path.join(directory, 'package-lock.json')))
    .digest('hex');
}

const stampFile = (directory) => path.join(directory, 'node_modules', '.crm-ingestion-lock');

/** Whether node_modules holds what package-lock.json asks for; false too when an install was interrupted. */
export function isInstalled(directory) {
  const stamp = stampFile(directory);
  return existsSync(stamp) && readFileSync(stamp, 'utf8').trim() === lockHash(directory);
}

/** Notes that node_modules was installed from the present lock file. */
export function markInstalled(directory) {
  writeFileSync(stampFile(directory), `${lockHash(directory)}\n`);
}

/**
 * Runs a command with our terminal and passes SIGINT and SIGTERM on to it.
 * @returns {Promise<number>} its exit code, 128 + signal number if a signal ended it
 */
function run(command, args, env = process.env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: process.cwd(), env, stdio: 'inherit' });
    const handlers = ['SIGINT', 'SIGTERM'].map((signal) => {
      // Ctrl-C reaches the whole foreground group by itself: forwarding it too would count as the second, hard one.
      const terminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
      const forward = () => {
        if (signal !== 'SIGINT' || !terminal) child.kill(signal);
      };
      process.on(signal, forward);
      return [signal, forward];
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => {
      for (const [name, forward] of handlers) process.off(name, forward);
      resolve(code ?? 128 + (constants.signals[signal] ?? 0));
    });
  });
}

async function main([script, ...args]) {
  if (script === undefined) {
    console.error('usage: node scripts/bootstrap.mjs SCRIPT.ts [ARGUMENT…]');
    return 2;
  }
  if (!isInstalled(root)) {
    const start = Date.now();
    const progress = () =>
      console.error(`Installing dependencies (npm ci) … ${Math.round((Date.now() - start) / 1000)} s`);
    progress();
    const timer = setInterval(progress, 10_000);
    // Only errors: warnings that the Node which installs is older than the one that will run would only puzzle.
    const code = await run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', root]);
    clearInterval(timer);
    if (code !== 0) return code;
    markInstalled(root);
  }
  const bin = path.join(root, 'node_modules', '.bin');
  const env = { ...process.env, PATH: `${bin}${path.delimiter}${process.env.PATH ?? ''}` };
  return run(path.join(bin, 'node'), [path.resolve(script), ...args], env);
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2));
}
