/** From slices of the log to a batch that a lane may write: prepared, with what has to wait in Kafka taken out. */
import { type BatchPart, Preparation, type ToPrepare } from './ingest.ts';
import type { LaneWork } from './lane-ranges.ts';
import { countLate, type LateCount } from './late-count.ts';
import { leaveOut } from './leave-out.ts';
import type { Batch, LogSlice } from './ports.ts';
import type { LaneDeps } from './run-lane.ts';
import { ofSchema } from './slices.ts';
import type { StreamGate } from './stream-gate.ts';

export interface LaneBatchDeps extends Pick<LaneDeps, 'store' | 'decoder' | 'quotas' | 'options'> {
  gate: StreamGate;
  rangeOf: ToPrepare['rangeOf'];
  /** Waits out the trouble of servers. */
  patiently<T>(attempt: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export interface LaneBatch {
  batch: Batch;
  /** Its events past retention. */
  late: readonly LateCount[];
}

/**
 * @param allNew whether to take the events for new: then they are put into the form in which they are sent right away, and
 *   not kept
 * @throws the signal's reason when it aborts while waiting
 */
export async function makeLaneBatch(
  deps: LaneBatchDeps,
  { runId, mode = 'ingest', schemaId, only = null }: LaneWork,
  slices: readonly LogSlice[],
  allNew: boolean,
  signal: AbortSignal,
): Promise<LaneBatch> {
  const { store, decoder, quotas, options, gate, rangeOf, patiently } = deps;
  const parks = mode === 'ingest' || mode === 'missing';

  function begin() {
    const now = Date.now();
    const preparation = new Preparation({
      slices: schemaId === undefined ? slices : ofSchema(slices, schemaId),
      rangeOf,
      run: { runId, mode },
      decoder,
      rules: options,
      now,
    });
    const encodes = allNew && mode === 'ingest' && only === null && !quotas.applies();
    const encoder = encodes ? store.encode(preparation.batch) : null;
    return { preparation, encoder, late: [] as LateCount[], windows: options.late.at(now) };
  }

  let begun: ReturnType<typeof begin> | null = null;
  const { preparation, encoder, late, windows } = await patiently(async () => {
    await gate.refresh();
    await options.late.refresh();
    await quotas.refresh();
    begun ??= begin();
    const making = begun;
    await making.preparation.finish((part) => take(making, part));
    return making;
  }, signal);

  function take(making: ReturnType<typeof begin>, part: BatchPart): boolean {
    if (only !== null) {
      leaveOut(part, only);
    }
    if (parks) {
      gate.judge(part);
    }
    if (making.encoder?.add(part.deliveries) === false) {
      making.encoder = null;
    }
    if (making.encoder !== null) {
      countLate(part.deliveries, making.windows, making.late);
    }
    return making.encoder !== null;
  }

  const { batch } = preparation;
  if (parks) {
    await patiently(() => gate.announce(), signal);
  }
  if (encoder !== null) {
    encoder.end(batch);
    return { batch, late };
  }
  if (quotas.applies()) {
    await patiently(() => quotas.judge(batch, signal), signal);
  }
  return { batch, late: countLate(batch.deliveries, windows) };
}
