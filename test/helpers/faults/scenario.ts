import type { ChildProcess } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { expect } from 'vitest';
import { readBooks } from '../../../adapters/postgres/books.ts';
import { verdictOf } from '../../../domain/books.ts';
import { compareWithTruth } from '../../../scripts/lib/compare-truth.ts';
import { createEventEncoder } from '../../../scripts/lib/event-encoder.ts';
import { type FaultReport, faultLine } from '../../../scripts/lib/fault-table.ts';
import { type Load, type LoadRecord, type LoadSettings, planLoad, startLoad } from '../../../scripts/lib/load.ts';
import { rangesOf } from '../../../scripts/lib/log-progress.ts';
import type { Random } from '../../../scripts/lib/random.ts';
import { createTruth, type Truth } from '../../../scripts/lib/truth.ts';
import { readFound } from '../../../scripts/lib/truth-tables.ts';
import { createProduct } from '../product.ts';
import { beyondNpmTest, parameters, seeded } from './parameters.ts';
import { type Product, progressOf, recovery, untilDrained, untilSteady } from './progress.ts';

export interface Scene {
  product: Product;
  random: Random;
  truth: Truth;
  load: Load;
  /** The workers that run. */
  workers: ChildProcess[];
  /** Starts one more. */
  addWorker(): ChildProcess;
  /** Kills one of them with SIGKILL. */
  killWorker(worker: ChildProcess): Promise<void>;
  /** Waits until the ingestion is steady, lets something happen, and measures how long the ingestion takes to recover. */
  inflict(fault: () => Promise<unknown>): Promise<void>;
}

export interface SceneOptions {
  /** Named in the report. */
  fault: string;
  partitions?: number;
  workers?: number;
  /** Of the product's processes. */
  env?: Record<string, string>;
  /** The same where it can only be told of a product that exists, such as the way to its database. */
  envOf?: (product: Product) => Record<string, string>;
  /** In place of the load's own sound, invalid and repeated events. */
  records?: (product: Product, settings: LoadSettings) => Iterator<LoadRecord, void>;
}

/** The longest that a single fault may take to recover from, in seconds; the start of a server is not counted. */
const RECOVERY_LIMIT = 20;

/**
 * Lets faults happen to a product of its own under a steady load, then stops the load, waits for the lag to be 0 and
 * demands that nothing is lost, doubled or otherwise wrong, and that the books have no gap.
 */
export async function underLoad(options: SceneOptions, happen: (scene: Scene) => Promise<void>): Promise<void> {
  const product = await createProduct({
    partitions: options.partitions ?? 3,
    env: { KAFKA_MAX_WAIT_TIME: '500', ...options.env },
  });
  const herd = startWorkers(product, options);
  await product.control.start(product.settings);
  const truth = createTruth();
  const load = startLoadOf(product, options, truth);
  const recoveries: number[] = [];
  try {
    await happen({
      ...herd,
      product,
      random: seeded(options.fault),
      truth,
      load,
      async inflict(something) {
        await untilSteady(product);
        await something();
        recoveries.push(await recovery(product));
      },
    });
  } finally {
    await load.stop();
  }
  await untilDrained(product);
  await judge(options.fault, product, truth, recoveries);
}

function startWorkers(
  product: Product,
  { workers: count = 2, envOf }: SceneOptions,
): Pick<Scene, 'workers' | 'addWorker' | 'killWorker'> {
  const workers: ChildProcess[] = [];
  const addWorker = () => {
    const worker = product.startWorker(envOf?.(product));
    workers.push(worker);
    return worker;
  };
  for (let started = 0; started < count; started += 1) addWorker();
  return {
    workers,
    addWorker,
    async killWorker(worker) {
      await product.end(worker, 'SIGKILL');
      workers.splice(workers.indexOf(worker), 1);
    },
  };
}

function startLoadOf(product: Product, { fault, records }: SceneOptions, truth: Truth): Load {
  const { kafka, topics, schemaIds } = product;
  const settings: LoadSettings = {
    seed: `${parameters.seed}/${fault}`,
    organizations: 5,
    days: 3,
    now: Date.now(),
    duplicates: 0.01,
    invalid: 0.005,
  };
  return startLoad({
    kafka,
    topics,
    records: records?.(product, settings) ?? planLoad(settings, createEventEncoder(schemaIds)),
    rate: parameters.rate,
    truth,
  });
}

async function judge(fault: string, product: Product, truth: Truth, recoveries: readonly number[]): Promise<void> {
  const { reader, pool, names, consumerGroup } = product;
  await truth.readBack(reader, rangesOf(await progressOf(product)));
  const verdict = compareWithTruth(truth.expected(), await readFound(pool, { topics: names, since: 0 }));
  const report: FaultReport = {
    fault,
    seed: parameters.seed,
    produced: truth.count(),
    lost: verdict.lost.length,
    doubled: verdict.doubled.length,
    recoverySeconds: recoveries.length === 0 ? null : Math.max(...recoveries),
    rounds: recoveries.length,
  };
  process.stdout.write(`${faultLine(report)}\n`);
  if (parameters.report !== null) await appendFile(parameters.report, `${JSON.stringify(report)}\n`);
  expect({
    lost: verdict.lost.slice(0, 10),
    doubled: verdict.doubled.slice(0, 10),
    wrong: verdict.wrong.slice(0, 10),
  }).toEqual({ lost: [], doubled: [], wrong: [] });
  const { breaks, identities } = await readBooks(pool, consumerGroup);
  expect(verdictOf(breaks, identities)).toEqual({ balanced: true, reasons: [] });
  expect(truth.count()).toBeGreaterThan(0);
  // npm test shares its machine with a dozen other tests at once, so that no time means anything there.
  if (beyondNpmTest) expect(Math.max(0, ...recoveries)).toBeLessThan(RECOVERY_LIMIT);
}
