import { correctionToWireEvent } from '../domain/correction.ts';
import type { FailedEvent } from './failed-ports.ts';
import { type Checked, deliver, deliverDecoded, type IngestRules } from './ingest.ts';
import type { Decoded, EventDecoder } from './ports.ts';

/** A correction comes without a schema. */
const NO_SCHEMA = 0;

/**
 * What a failed event becomes now: as a person corrected it, else its record as a lane would see it.
 * @param now epoch milliseconds
 * @throws RegistryUnavailableError when its schema is needed and the registry can't be asked
 */
export async function deliverFailed(
  { record, source, correction }: Pick<FailedEvent, 'record' | 'source' | 'correction'>,
  decoder: EventDecoder,
  rules: IngestRules,
  now: number,
): Promise<Checked> {
  if (correction !== null) {
    return deliverDecoded(record, source.topic, decodedCorrection(correction), rules, now);
  }
  const delivery = await deliver(record, source.topic, decoder, rules, now);
  if (delivery === null) {
    throw new TypeError('a tombstone never fails, yet one is kept as a failed event');
  }
  return delivery;
}

function decodedCorrection(correction: unknown): Decoded {
  const event = correctionToWireEvent(correction);
  return 'code' in event
    ? { ok: false, rejection: event, schemaId: NO_SCHEMA }
    : { ok: true, event, schemaId: NO_SCHEMA };
}
