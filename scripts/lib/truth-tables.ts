// What the product wrote about a stretch of the log, for the comparison with the truth.
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Found } from './compare-truth.ts';
import type { Coordinates, Range } from './truth.ts';

export interface Stretch {
  topics: readonly string[];
  /** Rows written before are not looked at; epoch milliseconds of the database's clock. */
  since: number;
  /** Where in the log the rows must come from; from anywhere when left out. */
  ranges?: readonly Range[];
}

const place = { topic: z.string(), incarnation: z.number(), partition: z.number(), offset: z.number() };

export async function readFound(connection: CommonQueryMethods, stretch: Stretch): Promise<Found> {
  const within = coveredBy(stretch.ranges);
  const staged = await readStaged(connection, stretch);
  return {
    staged: staged.filter(({ at }) => at === null || within(at)),
    logged: (await readLogged(connection, stretch)).filter(within),
    failed: (await readFailed(connection, stretch)).filter(within),
    parked: [...(await readParked(connection, stretch))],
  };
}

/** Rows that were written since, but of records that had been in the log before, are not ours. */
function coveredBy(ranges: readonly Range[] | undefined): (at: Coordinates) => boolean {
  if (ranges === undefined) return () => true;
  const key = ({ topic, incarnation, partition }: Omit<Coordinates, 'offset'>) =>
    `${topic}#${incarnation}[${partition}]`;
  const byPartition = new Map(ranges.map((range) => [key(range), range]));
  return (at) => {
    const range = byPartition.get(key(at));
    return range !== undefined && range.from <= at.offset && at.offset < range.end;
  };
}

async function readStaged(connection: CommonQueryMethods, { since }: Stretch): Promise<Found['staged']> {
  const rows = await connection.any(sql.type(
    z.object({
      event_id: z.string(),
      entity: z.string(),
      topic: z.string().nullable(),
      incarnation: z.number().nullable(),
      partition: z.number().nullable(),
      offset: z.number().nullable(),
    }),
  )`
    WITH staged AS (
      SELECT event_id, 'lead' AS entity FROM analytics.crm_leads_staging WHERE processed_at >= to_timestamp(${since / 1_000})
      UNION ALL
      SELECT event_id, 'contact' FROM analytics.crm_contacts_staging WHERE processed_at >= to_timestamp(${since / 1_000})
      UNION ALL
      SELECT event_id, 'opportunity' FROM analytics.crm_opportunities_staging
      WHERE processed_at >= to_timestamp(${since / 1_000})
    )
    SELECT staged.event_id, staged.entity, s.topic, s.incarnation, l.partition, l."offset"
    FROM staged
    LEFT JOIN analytics.crm_event_ledger l ON l.event_id = staged.event_id
    LEFT JOIN analytics.crm_sources s ON s.source_id = l.source_id
  `);
  return rows.map(({ event_id: eventId, entity, topic, incarnation, partition, offset }) => ({
    eventId,
    entity,
    at:
      topic === null || incarnation === null || partition === null || offset === null
        ? null
        : { topic, incarnation, partition, offset },
  }));
}

function readLogged(connection: CommonQueryMethods, { topics, since }: Stretch) {
  return connection.any(sql.type(z.object({ ...place, status: z.string() }))`
    SELECT topic, topic_incarnation AS incarnation, partition, "offset", processing_status AS status
    FROM analytics.crm_events_log
    WHERE topic = ANY(${sql.array(topics, 'text')}) AND processed_at >= to_timestamp(${since / 1_000})
  `);
}

function readFailed(connection: CommonQueryMethods, { topics, since }: Stretch) {
  return connection.any(sql.type(z.object({ ...place, status: z.string(), code: z.string() }))`
    SELECT s.topic, s.incarnation, f.partition, f."offset", f.status, f.error_code AS code
    FROM analytics.crm_failed_events f
    JOIN analytics.crm_sources s ON s.source_id = f.source_id
    WHERE s.topic = ANY(${sql.array(topics, 'text')}) AND f.created_at >= to_timestamp(${since / 1_000})
  `);
}

function readParked(connection: CommonQueryMethods, { topics, since }: Stretch) {
  return connection.any(sql.type(
    z.object({
      topic: z.string(),
      incarnation: z.number(),
      partition: z.number(),
      from: z.number(),
      to: z.number(),
    }),
  )`
    SELECT s.topic, s.incarnation, p.partition, p.from_offset AS "from", p.to_offset AS "to"
    FROM analytics.crm_parked_ranges p
    JOIN analytics.crm_sources s ON s.source_id = p.source_id
    WHERE s.topic = ANY(${sql.array(topics, 'text')}) AND p.status = 'parked' AND p.parked_at >= to_timestamp(${since / 1_000})
  `);
}
