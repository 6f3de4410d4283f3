import { correctionToWireEvent } from '../domain/correction.ts';
import type { FailedEvent, SourceRef } from './failed-ports.ts';
import { type Checked, deliverDecoded, type IngestRules } from './ingest.ts';
import type { Decoded, EventDecoder } from './ports.ts';

/** A correction comes without a schema, and so does what can't be opened. */
const NO_SCHEMA = 0;

/**
 * What a failed event becomes now: as a person corrected it, else its record as a lane would see it.
 * @param now epoch milliseconds
 * @throws RegistryUnavailableError when its schema is needed and the registry can't be asked, WriteError when the
 *   late-data policies are needed and PostgreSQL can't be
 */
export async function deliverFailed(
  failed: Pick<FailedEvent, 'record' | 'source' | 'correction' | 'unreadable'>,
  decoder: EventDecoder,
  rules: IngestRules,
  now: number,
): Promise<Checked> {
  await rules.late.refresh();
  return deliverDecoded(failed.record, failed.source.topic, await decodeFailed(failed, decoder), rules, now);
}

/**
 * A failed event as a person corrected it, else as its record says.
 * @throws RegistryUnavailableError when its schema is needed and the registry can't be asked
 */
export async function decodeFailed(
  failed: Pick<FailedEvent, 'record' | 'correction' | 'unreadable'> & { source: Pick<SourceRef, 'topic'> },
  decoder: EventDecoder,
): Promise<Decoded> {
  const { record, source, correction, unreadable } = failed;
  if (correction !== null) {
    return decodedCorrection(correction);
  }
  if (unreadable !== undefined) {
    return { ok: false, rejection: unreadable, schemaId: NO_SCHEMA };
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
