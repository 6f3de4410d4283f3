/** What the product says of its servers: at its start, in its log, and at /health. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { Writable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { openApiServers } from '../../api/server.ts';
import { startApi } from '../../api/start.ts';
import { EVENT_TYPES } from '../../domain/events.ts';
import { type Config, type Environment, loadConfig } from '../../platform/config.ts';
import type { CheckResult } from '../../platform/health.ts';
import { createLogger } from '../../platform/logger.ts';
import { createMetrics } from '../../platform/metrics.ts';
import { pemFiles } from './tls-process.ts';

const { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, TEMPORAL_ADDRESS, DATABASE_URL, REDIS_URL } = process.env;
const SERVERS = { KAFKA_BROKERS, SCHEMA_REGISTRY_URL, TEMPORAL_ADDRESS, DATABASE_URL, REDIS_URL };

/** The servers of all tests, but for `env`; a variable named `…_FILE` holds a PEM text here, which is put into a file. */
export async function configWith(env: Environment): Promise<Config> {
  const dir = await mkdtemp(path.join(os.tmpdir(), 'crm-tls-config-'));
  const texts = Object.entries(env).flatMap(([name, text]) => (name.endsWith('_FILE') && text ? [[name, text]] : []));
  const files = await pemFiles(dir, Object.fromEntries(texts));
  try {
    const all = { ...SERVERS, API_PORT: '0', RETRY_QUEUE_PREFIX: `test-${randomUUID()}`, ...env, ...files };
    return loadConfig(all, EVENT_TYPES);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

export interface Said {
  /** Of one server, at /health. */
  health: CheckResult;
  /** What was logged of that server before anybody asked, as one text. */
  log: string;
  /** All that was logged and answered. */
  everything: string;
}

/** Starts the API, waits until it has told in its log how its servers are, and asks for the health of one. */
export async function whatIsSaidOf(server: string, env: Environment): Promise<Said> {
  const config = await configWith(env);
  const lines: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ level: 'info', service: 'api', stream });
  const { servers, closing } = openApiServers(config, logger);
  const api = await startApi(config, servers, { logger, metrics: createMetrics() });
  onTestFinished(async () => {
    await api.close();
    for (const { run } of closing) await run();
  });
  let answer = '';
  let health: CheckResult | undefined;
  do {
    // The first time it shares the round of checks that the start has begun, and so comes after what that logs.
    answer = await (await fetch(`http://127.0.0.1:${api.port}/health`)).text();
    const report: { checks: Record<string, CheckResult> } = JSON.parse(answer);
    health = report.checks[server];
    if (health === undefined) throw new Error(`/health says nothing of ${server}`);
    // A machine that is busy enough needs longer than a check may take.
  } while (health.error?.startsWith('no answer within'));
  const log = lines.filter((line) => line.includes(`"server":"${server}"`)).join('');
  return { health, log, everything: lines.join('') + answer };
}
