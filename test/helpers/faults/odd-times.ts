import { createEventEncoder } from '../../../scripts/lib/event-encoder.ts';
import { createEventFactory } from '../../../scripts/lib/event-factory.ts';
import type { LoadSettings } from '../../../scripts/lib/load.ts';
import { createRandom } from '../../../scripts/lib/random.ts';
import type { PlannedRecord } from '../../../scripts/lib/send-plan.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Events of a source whose clock steps back and forth by hours, and whose outbox now and then sends what is years old. */
export function* oddTimes(
  settings: LoadSettings,
  schemaIds: Parameters<typeof createEventEncoder>[0],
  lateWindowDays: number,
): Generator<PlannedRecord, void, void> {
  const encoder = createEventEncoder(schemaIds);
  const factory = createEventFactory(settings);
  const random = createRandom(`${settings.seed}/times`);
  let clock = 0;
  for (let index = 0; ; index += 1) {
    if (random.oneIn(500)) clock = random.between(-12, 12) * HOUR_MS;
    // A year within the window for late events, or one before it; a step of the clock crosses no border.
    const years = random.oneIn(100) ? random.between(1, 4) * 365 * DAY_MS + DAY_MS : 0;
    const { role, event } = factory.eventAt(index);
    const timestamp = event.timestamp + clock - years;
    const { eventId, eventType, entity, data } = event;
    const late = timestamp < settings.now - lateWindowDays * DAY_MS;
    yield {
      role,
      key: data.id,
      value: encoder.encode(role, { ...event, timestamp }),
      kind: late ? { is: 'invalid', code: 'outside_retention' } : { is: 'sound', eventId, eventType, entity },
    };
  }
}
