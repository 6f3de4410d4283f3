// The events that the benches send, out of a seed.
import { createEventFactory, type GeneratedEvent } from '../../scripts/lib/event-factory.ts';

export interface EventsShape {
  events: number;
  /** The same seed, organizations, days and time give the same events. */
  seed: string;
  organizations: number;
  days: number;
  /** Epoch milliseconds: no event is later. */
  now: number;
  /** As they come from a CRM, by their times; else story by story, their times anywhere in the days. */
  inOrder: boolean;
  /** Ids as UUIDs of version 7, which begin with the event's time; else random ones. */
  growingIds?: boolean;
}

/** The events of a shape, in the order in which they are sent. */
export function eventsOf({ events, inOrder, growingIds = false, ...settings }: EventsShape): GeneratedEvent[] {
  const factory = createEventFactory(settings);
  const made = Array.from({ length: events }, (_, index) => factory.eventAt(index));
  const generated = growingIds ? made.map(withGrowingId) : made;
  return inOrder ? generated.sort((one, other) => one.event.timestamp - other.event.timestamp) : generated;
}

/** The layout is that of RFC 9562, 5.7: 48 bits of milliseconds, the version, random bits. */
function withGrowingId({ role, event }: GeneratedEvent): GeneratedEvent {
  const time = event.timestamp.toString(16).padStart(12, '0');
  return { role, event: { ...event, eventId: `${time.slice(0, 8)}-${time.slice(8)}-7${event.eventId.slice(15)}` } };
}
