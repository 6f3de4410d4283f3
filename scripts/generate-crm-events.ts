#!/usr/bin/env node
// Sends generated CRM events to Kafka: node dist/scripts/generate-crm-events.js 10 (see --help). Nothing is imported
// that an older Node would stumble over: under one, the command is handed to the Node 24 among the dependencies.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';

const NEEDED_NODE = 24;

if (Number.parseInt(process.versions.node, 10) >= NEEDED_NODE) {
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { generate } = await import('./lib/generate-command.ts');
  process.exitCode = await generate(process.argv.slice(2));
} else {
  process.exitCode = runUnderInstalledNode();
}

function runUnderInstalledNode(): number {
  const installed = installedNode();
  if (installed === null) {
    console.error(`Node ${NEEDED_NODE} is needed, this is ${process.version}: run npm install, which brings its own.`);
    return 1;
  }
  return spawnSync(installed, process.argv.slice(1), { stdio: 'inherit' }).status ?? 1;
}

function installedNode(): string | null {
  try {
    return createRequire(import.meta.url).resolve('node/bin/node');
  } catch {
    return null;
  }
}
