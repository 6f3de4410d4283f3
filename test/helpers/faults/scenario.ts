import type { ChildProcess } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { expect } from 'vitest';
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
  addWorker(env?: Record<string, string>): ChildProcess;
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
  load?: Partial<LoadSettings>;
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
  const { fault, partitions = 3, workers: workerCount = 2, env = {} } = options;
  const product = await createProduct({ partitions, env: { KAFKA_MAX_WAIT_TIME: '500', ...env } });
  const workers: ChildProcess[] = [];
  const addWorker = (extra?: Record<string, string>) => {
    const worker = product.startWorker({ ...options.envOf?.(product), ...extra });
    workers.push(worker);
    return worker;
  };
  for (let count = 0; count < workerCount; count += 1) addWorker();
  await product.control.start(product.settings);

  const truth = createTruth();
  const settings: LoadSettings = {
    seed: `${parameters.seed}/${fault}`,
    organizations: 5,
    days: 3,
    now: Date.now(),
    duplicates: 0.01,
    invalid: 0.005,
    ...options.load,
  };
  const records = options.records?.(product, settings) ?? planLoad(settings, createEventEncoder(product.schemaIds));
  const load = startLoad({ kafka: product.kafka, topics: product.topics, records, rate: parameters.rate, truth });
  const recoveries: number[] = [];
  try {
    await happen({
      product,
      random: seeded(fault),
      truth,
      load,
      workers,
      addWorker,
      async killWorker(worker) {
        await product.end(worker, 'SIGKILL');
        workers.splice(workers.indexOf(worker), 1);
      },
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
  await judge(options, product, truth, recoveries);
}

async function judge(
  options: SceneOptions,
  product: Product,
  truth: Truth,
  recoveries: readonly number[],
): Promise<void> {
  const { reader, pool, names } = product;
  await truth.readBack(reader, rangesOf(await progressOf(product)));
  const verdict = compareWithTruth(truth.expected(), await readFound(pool, { topics: names, since: 0 }));
  const report: FaultReport = {
    fault: options.fault,
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
  expect(await product.brokenBooks()).toEqual([]);
  expect(truth.count()).toBeGreaterThan(0);
  // npm test shares its machine with a dozen other tests at once, so that no time means anything there.
  if (beyondNpmTest) expect(Math.max(0, ...recoveries)).toBeLessThan(RECOVERY_LIMIT);
}
