import type { Settlement, SettleResult, Settler } from '../activities/failed-ports.ts';
import { settlePersistently } from '../activities/settle.ts';
import type { Metrics } from '../platform/metrics.ts';

export type Settle = (
  settlement: Settlement,
  signal: AbortSignal,
  onTrouble: (reason: string) => void,
) => Promise<SettleResult>;

/** Settles through a store, whoever asks: retries and redrives. @throws what settlePersistently does */
export function settleOver(settler: Settler, { batchRetries, batchSplits }: Metrics): Settle {
  const observer = { batchRetried: () => batchRetries.inc(), batchSplit: () => batchSplits.inc() };
  return (settlement, signal, onTrouble) => settlePersistently({ settler, observer, onTrouble }, settlement, signal);
}
