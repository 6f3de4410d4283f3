// One chaos run: load, kills, then the reckoning.
import { setTimeout as sleep } from 'node:timers/promises';
import { readBooks } from '../../adapters/postgres/books.ts';
import { ingestionSettings } from '../../api/start.ts';
import { verdictOf } from '../../domain/books.ts';
import type { Config } from '../../platform/config.ts';
import { databaseTime } from '../demo/tables.ts';
import { compareWithTruth } from '../lib/compare-truth.ts';
import { createEventEncoder } from '../lib/event-encoder.ts';
import { planLoad, startLoad } from '../lib/load.ts';
import { lagOf, type Progress, rangesOf, readProgress } from '../lib/log-progress.ts';
import { createRandom } from '../lib/random.ts';
import { createTruth, type Truth } from '../lib/truth.ts';
import { readFound } from '../lib/truth-tables.ts';
import { renderBooks, renderFindings } from './books.ts';
import { restartable, restartOne } from './local-servers.ts';
import type { ChaosOptions } from './options.ts';
import type { Setup } from './setup.ts';
import { createHerd, type Herd } from './workers.ts';

export interface ChaosRun {
  root: string;
  config: Config;
  options: ChaosOptions;
  setup: Setup;
  /** Ends the load and the kills; the reckoning follows all the same. */
  signal: AbortSignal;
}

const DRAIN_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 15_000;

const say = (line: string) => console.log(line);
const number = (value: number) => value.toLocaleString('en-US');

/** @returns whether nothing was lost, doubled or otherwise wrong */
export async function runChaos(run: ChaosRun): Promise<boolean> {
  const { root, config, options, setup } = run;
  const { control, pool, reader, consumerGroup } = setup;
  const servers = options.restartServers ? await restartable(config) : null;
  const herd = await createHerd(root);
  say(`seed ${options.seed}; the workers' logs are in ${herd.logs}`);
  for (let count = 0; count < options.workers; count += 1) herd.start();
  try {
    await control.start(ingestionSettings(config));
    say('waiting for what the topics hold already …');
    if (!(await settled(setup, options.rate / 2, run.signal)) && !run.signal.aborted) {
      throw new Error(`the ingestion does not keep up with what is there already: look into ${herd.logs}`);
    }
    const since = await databaseTime(pool);
    const before = await readProgress(setup);
    const truth = createTruth();
    await loadAndKill(run, herd, truth, servers);
    say('waiting for the lag to be 0 …');
    const drained = await settled(setup, 0);
    if (!drained) say(`  it is not after ${DRAIN_TIMEOUT_MS / 1_000} s: what follows counts the rest as lost`);
    const expectedRanges = rangesOf(await readProgress(setup), startOf(before));
    await truth.readBack(reader, expectedRanges);
    return await reckon(run, truth, since, expectedRanges);
  } finally {
    if (!options.join) await control.stop(consumerGroup, { waitMs: STOP_TIMEOUT_MS }).catch(() => {});
    await herd.stop();
  }
}

/** Where each partition stood; one that is new began at 0. */
function startOf(before: readonly Progress[]) {
  return ({ topic, partition }: { topic: string; partition: number }) =>
    before.find((at) => at.topic === topic && at.partition === partition)?.next ?? 0;
}

async function loadAndKill(
  { options, setup, config, signal }: ChaosRun,
  herd: Herd,
  truth: Truth,
  servers: Awaited<ReturnType<typeof restartable>> | null,
): Promise<void> {
  const random = createRandom(`${options.seed}/chaos`);
  const settings = { seed: options.seed, organizations: 5, days: 3, now: Date.now(), duplicates: 0.01, invalid: 0.005 };
  const records = planLoad(settings, createEventEncoder(setup.schemaIds));
  const load = startLoad({ kafka: setup.kafka, topics: config.topics, records, rate: options.rate, truth });
  const over = AbortSignal.any([
    signal,
    ...(options.duration === undefined ? [] : [AbortSignal.timeout(options.duration * 1_000)]),
  ]);
  const pause = (ms: number) => sleep(ms, undefined, { signal: over }).catch(() => {});
  try {
    for (let kill = 1; kill <= options.kills && !over.aborted; kill += 1) {
      await pause(random.between(500, 3_000));
      // Now in the middle of catching up, now when all is calm.
      if (random.oneIn(2)) await settled(setup, options.rate / 2, over);
      if (over.aborted) break;
      await herd.replace(random.between(0, options.workers - 1));
      const restarted = servers !== null && random.oneIn(5) ? `, ${await restartOne(servers, random)}` : '';
      const lag = await readProgress(setup).then(lagOf, () => null);
      say(
        `  kill ${kill} of ${options.kills}${restarted}: ${number(truth.count())} events sent, lag ${lag === null ? 'unknown' : number(lag)}`,
      );
    }
    if (options.kills === 0) await pause(2 ** 31 - 1);
  } finally {
    await load.stop();
  }
}

/** Waits until the lag is at most so many records. @returns false when it isn't in time or `signal` aborts */
async function settled(setup: Setup, most: number, signal?: AbortSignal): Promise<boolean> {
  const until = Date.now() + DRAIN_TIMEOUT_MS;
  while (Date.now() < until && !signal?.aborted) {
    const lag = await readProgress(setup).then(lagOf, () => Number.POSITIVE_INFINITY);
    if (lag <= most) return true;
    await sleep(200);
  }
  return false;
}

async function reckon(
  { setup: { pool, topics, consumerGroup } }: ChaosRun,
  truth: Truth,
  since: number,
  ranges: ReturnType<typeof rangesOf>,
): Promise<boolean> {
  const found = await readFound(pool, { topics, since, ranges });
  const verdict = compareWithTruth(truth.expected(), found);
  const books = await readBooks(pool, consumerGroup);
  const { balanced, reasons } = verdictOf(books.breaks, books.identities);
  say(`\nBooks of ${consumerGroup}\n${renderBooks(books)}\n`);
  for (const line of [...renderFindings(verdict), ...reasons.map((reason) => `  books: ${reason}`)]) say(line);
  say(
    `sent ${number(truth.count())}, lost ${verdict.lost.length}, doubled ${verdict.doubled.length}, ` +
      `otherwise wrong ${verdict.wrong.length}; the books ${balanced ? 'balance' : "don't balance"}`,
  );
  return balanced && verdict.lost.length + verdict.doubled.length + verdict.wrong.length === 0;
}
