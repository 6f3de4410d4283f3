import { correctionToWireEvent } from '../domain/correction.ts';
import type { FailedEvent, SourceRef } from './failed-ports.ts';
import { type Checked, deliverDecoded, type IngestRules } from './ingest.ts';
import type { Decoded, EventDecoder } from './ports.ts';

/** A correction comes without a schema. */
const NO_SCHEMA = 0;

/**
 * What a failed event becomes now: as a person corrected it, else its record as a lane would see it.
 * @param now epoch milliseconds
 * @throws RegistryUnavailableError when its schema is needed and the registry can't be asked, WriteError when the
 *   late-data policies are needed and PostgreSQL can't be
 */
export async function deliverFailed(
  { record, source, correction }: Pick<FailedEvent, 'record' | 'source' | 'correction'>,
  decoder: EventDecoder,
  rules: IngestRules,
  now: number,
): Promise<Checked> {
  await rules.late.refresh();
  return deliverDecoded(record, source.topic, await decodeFailed({ record, source, correction }, decoder), rules, now);
}

/**
 * A failed event as a person corrected it, else as its record says.
 * @throws RegistryUnavailableError when its schema is needed and the registry can't be asked
 */
export async function decodeFailed(
  { record, source, correction }: Pick<FailedEvent, 'record' | 'correction'> & { source: Pick<SourceRef, 'topic'> },
  decoder: EventDecoder,
): Promise<Decoded> {
  if (correction !== null) {
    return decodedCorrection(correction);
  }
  if (record.value === null) {
    throw new TypeError('a tombstone never fails, yet one is kept as a failed event');
  }
  return decoder.decode(record.value, source.topic);
}

function decodedCorrection(correction: unknown): Decoded {
  const event = correctionToWireEvent(correction);
  return 'code' in event
    ? { ok: false, rejection: event, schemaId: NO_SCHEMA }
    : { ok: true, event, schemaId: NO_SCHEMA };
}
