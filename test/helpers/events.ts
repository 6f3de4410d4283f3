import { randomUUID } from 'node:crypto';
import type { EventDecoder } from '../../activities/ports.ts';
import { createEventDecoder, registerSchemas } from '../../adapters/registry/index.ts';
import type { Rejection } from '../../domain/failures.ts';
import { quarantineBefore } from '../../domain/late-data.ts';
import { expectedEntityOf, type TopicRole } from '../../domain/schemas.ts';
import type { StagedEvent } from '../../domain/staging.ts';
import { validate } from '../../domain/validate.ts';
import { createEventEncoder, type EventEncoder } from '../../scripts/lib/event-encoder.ts';
import { createEventFactory, type FactorySettings } from '../../scripts/lib/event-factory.ts';
import type { SoundEvent } from '../../scripts/lib/story.ts';
import { testRegistry } from './lane-harness.ts';

const DAY_MS = 86_400_000;

/** What generated events are dated back from. */
export const NOW = Date.UTC(2026, 10, 20);

/** The window for late events, back from `NOW`. */
export const LATE_WINDOW_MS = 730 * DAY_MS;

export function testFactory(over: Partial<FactorySettings> = {}) {
  return createEventFactory({ seed: 'test', organizations: 5, days: 7, now: NOW, ...over });
}

/** Personal data that must be found nowhere but in the payload. */
export const CANARY = 'canary.5d1e@example.com';

/** The event with the canary where its entity has personal data. */
export function withCanary(event: SoundEvent): SoundEvent {
  switch (event.entity) {
    case 'lead':
      return { ...event, data: { ...event.data, email: CANARY } };
    case 'contact':
      return { ...event, data: { ...event.data, email: CANARY } };
    case 'opportunity':
      return { ...event, data: { ...event.data, name: CANARY } };
  }
}

export interface EventPath {
  encoder: EventEncoder;
  /** What the pipeline makes of a value that came through a topic of this role at `NOW`. */
  receive(role: TopicRole, value: Buffer): Promise<StagedEvent | Rejection>;
}

/** From an event to its bytes and back again, with schemas of the real registry. */
export async function createEventPath(): Promise<EventPath> {
  const suffix = randomUUID().slice(0, 8);
  const schemaIds = await registerSchemas(testRegistry(), {
    events: `crm.events.${suffix}`,
    leads: `crm.leads.${suffix}`,
    contacts: `crm.contacts.${suffix}`,
    opportunities: `crm.opportunities.${suffix}`,
  });
  const decoder: EventDecoder = createEventDecoder(testRegistry());
  return {
    encoder: createEventEncoder(schemaIds),
    async receive(role, value) {
      const decoded = await decoder.decode(value);
      if (!decoded.ok) return decoded.rejection;
      return validate(decoded.event, NOW, {
        now: NOW,
        expectedEntity: expectedEntityOf(role),
        late: quarantineBefore(NOW - LATE_WINDOW_MS),
      });
    },
  };
}
