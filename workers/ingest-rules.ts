import type { IngestRules } from '../activities/ingest.ts';
import type { Entity } from '../domain/events.ts';
import { expectedEntityOf, TOPIC_ROLES } from '../domain/schemas.ts';
import type { Config } from '../platform/config.ts';

const DAY_MS = 86_400_000;

/** What events are checked against, wherever that happens. */
export function ingestRules(
  { ingestion, topics, partitions }: Config,
  suppression: IngestRules['suppression'],
): IngestRules {
  const entityOfTopic = new Map<string, Entity>();
  for (const role of TOPIC_ROLES) {
    const entity = expectedEntityOf(role);
    if (entity !== null) {
      entityOfTopic.set(topics[role], entity);
    }
  }
  return {
    eventTypes: new Set(ingestion.eventTypes),
    entityOfTopic,
    lateWindowMs: partitions.lateWindowDays * DAY_MS,
    suppression,
  };
}
