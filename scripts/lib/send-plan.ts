/** What is sent in which order: sound events, invalid ones spread among them, and duplicates at the end. */
import type { CRMEventType, Entity } from '../../domain/events.ts';
import type { FailureCode } from '../../domain/failures.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import type { EventEncoder } from './event-encoder.ts';
import { createEventFactory, type EventFactory, type FactorySettings, type GeneratedEvent } from './event-factory.ts';
import { INVALID_MAKERS, type InvalidMaker } from './invalid-events.ts';

export interface SendSettings extends FactorySettings {
  /** How many sound events. */
  count: number;
  /** Index of the first of them in the seed's events. */
  from: number;
  /** How many invalid events besides, of each kind in turn. */
  invalid: number;
  /** How many of the sound events are sent once more at the end. */
  duplicates: number;
}

export interface PlannedRecord {
  role: TopicRole;
  key: string;
  value: Buffer;
  kind:
    | { is: 'sound' | 'duplicate'; eventId: string; eventType: CRMEventType; entity: Entity }
    | { is: 'invalid'; code: FailureCode };
}

/** Those that Kafka takes by default. */
const MAKERS = INVALID_MAKERS.filter(({ oversized }) => !oversized);

export function* planRecords(settings: SendSettings, encoder: EventEncoder): Generator<PlannedRecord, void, void> {
  const { count, from, invalid, duplicates } = settings;
  const factory = createEventFactory(settings);
  const spoilt = invalidRecords(settings, encoder);
  let spoiltSoFar = 0;
  for (let sent = 0; sent < count; sent += 1) {
    yield record('sound', factory.eventAt(from + sent), encoder);
    const due = Math.floor(((sent + 1) * invalid) / count);
    for (; spoiltSoFar < due; spoiltSoFar += 1) yield spoilt();
  }
  for (; spoiltSoFar < invalid; spoiltSoFar += 1) yield spoilt();
  if (count === 0) return;
  for (let again = 0; again < duplicates; again += 1) {
    const index = Math.floor((again * count) / duplicates);
    yield record('duplicate', factory.eventAt(from + index), encoder);
  }
}

function record(is: 'sound' | 'duplicate', { role, event }: GeneratedEvent, encoder: EventEncoder): PlannedRecord {
  const { eventId, eventType, entity, data } = event;
  return { role, key: data.id, value: encoder.encode(role, event), kind: { is, eventId, eventType, entity } };
}

/** Each call spoils another event, in the next way. Its events have a seed of their own: they share no id with sound ones. */
function invalidRecords(settings: SendSettings, encoder: EventEncoder): () => PlannedRecord {
  const factory = createEventFactory({ ...settings, seed: `${settings.seed}/invalid/${settings.from}` });
  let next = 0;
  let made = 0;
  return () => {
    const maker = MAKERS[made % MAKERS.length] as InvalidMaker;
    made += 1;
    const found = eventAbout(maker.entity, factory, next);
    next = found.index + 1;
    const { role, event } = found.generated;
    const value = maker.make(event, (changed) => encoder.encode(role, changed));
    return { role, key: event.data.id, value, kind: { is: 'invalid', code: maker.code } };
  };
}

/** The first event about an entity from an index on; every story has some about each. */
export function eventAbout(
  entity: Entity,
  factory: EventFactory,
  from: number,
): { index: number; generated: GeneratedEvent } {
  for (let index = from; ; index += 1) {
    const generated = factory.eventAt(index);
    if (generated.event.entity === entity) return { index, generated };
  }
}
