import type { IngestRules } from '../activities/ingest.ts';
import { createLatePolicies, type LatePoliciesDeps } from '../activities/late-policies.ts';
import type { Entity } from '../domain/events.ts';
import { expectedEntityOf, TOPIC_ROLES } from '../domain/schemas.ts';
import type { Config } from '../platform/config.ts';

const DAY_MS = 86_400_000;

/**
 * What events are checked against, wherever that happens.
 * @param loadLateRules asks PostgreSQL; with the first `late.refresh()` and every few seconds after
 */
export function ingestRules(
  { ingestion, topics, partitions }: Config,
  suppression: IngestRules['suppression'],
  loadLateRules: LatePoliciesDeps['load'],
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
    late: createLatePolicies({
      load: loadLateRules,
      windowMs: partitions.lateWindowDays * DAY_MS,
      now: () => performance.now(),
    }),
    suppression,
  };
}
