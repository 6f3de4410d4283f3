/** What keeps events from being stored, told apart by who or what is at fault; docs/TROUBLE.md describes each. */
import { z } from '@hono/zod-openapi';
import type { Stream } from '../activities/stream-ports.ts';
import type { LaneReport } from '../workflows/control-port.ts';
import type { IngestionTotals } from './ports.ts';

export const CauseSchema = z
  .object({
    cause: z.enum(['server', 'row', 'schema_unknown', 'breaker']).openapi({
      description:
        '`server`: a lane waits for a server and goes on by itself. `row`: single events wait for a retry or for a person; everything else goes on. `schema_unknown`: the registry does not know a schema; its records are read when it does. `breaker`: too many events of a topic and schema failed for good; a person decides.',
    }),
    reason: z.string(),
    lane: z.number().int().optional(),
    topic: z.string().optional(),
    schemaId: z.number().int().optional(),
    events: z.number().int().optional().openapi({ description: 'How many wait.' }),
  })
  .openapi('Cause');

type Cause = z.infer<typeof CauseSchema>;

const BY_STATE = { schema_unknown: 'schema_unknown', tripped: 'breaker' } as const;

/** @param totals, streams null where PostgreSQL could not tell */
export function causesOf(
  lanes: readonly LaneReport[],
  totals: Pick<IngestionTotals, 'failed' | 'dead'> | null,
  streams: readonly Stream[] | null,
): Cause[] {
  const causes: Cause[] = [];
  for (const { lane, progress } of lanes) {
    if (progress?.trouble) {
      causes.push({ cause: 'server', reason: progress.trouble, lane });
    }
  }
  if (totals !== null && totals.failed > 0) {
    causes.push({ cause: 'row', reason: 'failed events wait for their retries', events: totals.failed });
  }
  if (totals !== null && totals.dead > 0) {
    causes.push({ cause: 'row', reason: 'dead letters wait for a person: GET /dead-letters', events: totals.dead });
  }
  for (const { topic, schemaId, state, reason, parked } of streams ?? []) {
    if (state === 'schema_unknown' || state === 'tripped') {
      causes.push({ cause: BY_STATE[state], reason, topic, schemaId, events: parked.records });
    }
  }
  return causes;
}
