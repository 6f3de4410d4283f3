import type { SeekRequest } from './contracts.ts';
import { describePartitions, overlaps } from './deal.ts';
import type { Ingestion } from './ingestion-model.ts';

const MAX_LANES = 1_000;

/** @throws when the ingestion can't take that number of lanes */
export function validateLanes(ingestion: Ingestion, lanes: number): void {
  refuseWhenStopping(ingestion);
  if (!Number.isInteger(lanes) || lanes < 1 || lanes > MAX_LANES) {
    throw new RangeError(`lanes must be a whole number from 1 to ${MAX_LANES}`);
  }
}

/** @throws when the ingestion doesn't read the partition or the target is no offset */
export function validateSeek(ingestion: Ingestion, request: SeekRequest): void {
  refuseWhenStopping(ingestion);
  const { to } = request;
  if (to !== 'earliest' && to !== 'latest' && !(Number.isSafeInteger(to) && to >= 0)) {
    throw new RangeError("a seek goes to an offset from 0 on, to 'earliest' or to 'latest'");
  }
  if (!overlaps(ingestion.state.partitions, [request])) {
    throw new RangeError(`${describePartitions([request])} is none of the partitions that this ingestion reads`);
  }
}

function refuseWhenStopping({ stopping }: Ingestion): void {
  if (stopping) {
    throw new Error('the ingestion is stopping: start it again first');
  }
}
