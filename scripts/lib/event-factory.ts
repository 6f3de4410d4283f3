/** CRM events out of a seed: the same seed and settings give the very same events, whichever are asked for first. */
import type { Entity, EpochMillis } from '../../domain/events.ts';
import type { TopicRole } from '../../domain/schemas.ts';
import { createRandom } from './random.ts';
import { EVENTS_PER_STORY, type SoundEvent, tellStory } from './story.ts';

export interface FactorySettings {
  /** Any text. */
  seed: string;
  /** Over how many organizations the events are spread. */
  organizations: number;
  /** Over how many days up to `now` the events are spread. */
  days: number;
  /** No event is later. */
  now: EpochMillis;
}

export interface GeneratedEvent {
  /** The topic to send it to: that of its entity, or for one in five the one of all events. */
  role: TopicRole;
  event: SoundEvent;
}

export interface EventFactory {
  /** @param index 0 or more; ten in a row, beginning at a multiple of ten, tell one customer's story */
  eventAt(index: number): GeneratedEvent;
}

const DAY_MS = 86_400_000;
const LONGEST_STORY_DAYS = 3;
const ONE_IN_EVENTS_TOPIC = 5;

const ROLE_OF_ENTITY: Readonly<Record<Entity, TopicRole>> = {
  lead: 'leads',
  contact: 'contacts',
  opportunity: 'opportunities',
};

export function createEventFactory(settings: FactorySettings): EventFactory {
  let latest: { story: number; events: GeneratedEvent[] } = { story: -1, events: [] };

  return {
    eventAt(index) {
      const story = Math.floor(index / EVENTS_PER_STORY);
      // Events are mostly asked for in order.
      if (latest.story !== story) latest = { story, events: generateStory(settings, story) };
      const found = latest.events[index % EVENTS_PER_STORY];
      if (found === undefined) throw new RangeError(`event ${index}: the index must be a whole number from 0 on`);
      return found;
    },
  };
}

function generateStory({ seed, organizations, days, now }: FactorySettings, story: number): GeneratedEvent[] {
  const id = `${seed}/${story}`;
  const random = createRandom(id);
  const length = (0.1 + 0.9 * random.next()) * Math.min(days, LONGEST_STORY_DAYS) * DAY_MS;
  const to = now - random.next() * (days * DAY_MS - length);
  const organizationId = `org-${random.between(1, organizations)}`;
  return tellStory(random, { id, organizationId, from: to - length, to }).map((event) => ({
    role: random.oneIn(ONE_IN_EVENTS_TOPIC) ? 'events' : ROLE_OF_ENTITY[event.entity],
    event,
  }));
}
