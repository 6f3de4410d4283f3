/** Deliveries of a range: what the events log says of them, and whether ledger and staging agree. */

import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import type { AuditTarget } from '../../activities/audit-ports.ts';
import { breakdownOf, type Missing, type PartitionAudit, type Share } from '../../domain/audit.ts';
import type { OffsetSpan } from '../../domain/books.ts';
import { addCounts } from '../../domain/counts.ts';
import { LOG_STATUSES, NO_STATUSES, type StatusCounts, totalOf } from '../../domain/status-counts.ts';

/** One statement each for so many offsets. */
const OFFSETS_AT_ONCE = 50_000;
/** What a report names one by one. */
const MOST_ORGANIZATIONS = 50;
const MOST_HOURS = 168;
const MOST_OFFSETS = 10;

type Counted = Pick<PartitionAudit, 'log' | 'missingLedger' | 'missingStaging' | 'organizations' | 'hours'>;

interface Source extends AuditTarget {
  incarnation: number;
  /** Rows of the events log, wherever they are kept. */
  log: FragmentSqlToken;
  /** What was processed before, the ledger may have forgotten; null when it has forgotten nothing. */
  prunedBefore: string | null;
}

/** @param onProgress called before each piece of the range; may throw to end it */
export async function countDeliveries(
  connection: CommonQueryMethods,
  source: Source,
  range: OffsetSpan,
  onProgress: (offset: number) => void,
): Promise<Counted> {
  let log = NO_STATUSES;
  const organizations = new Shares();
  const hours = new Shares();
  let missingLedger: Missing = { count: 0, offsets: [] };
  let missingStaging = missingLedger;
  for (let from = range.from; from < range.to; from += OFFSETS_AT_ONCE) {
    onProgress(from);
    const piece = { from, to: Math.min(from + OFFSETS_AT_ONCE, range.to) };
    for (const { is_organization, name, status, events } of await countLog(connection, source, piece)) {
      const counts = { ...NO_STATUSES, [status]: events };
      if (is_organization) {
        organizations.add(name, counts);
        log = addCounts(log, counts);
      } else {
        hours.add(name, counts);
      }
    }
    const { ledger, staging } = await findMissing(connection, source, piece);
    missingLedger = addMissing(missingLedger, ledger);
    missingStaging = addMissing(missingStaging, staging);
  }
  return {
    log,
    missingLedger,
    missingStaging,
    organizations: breakdownOf(organizations.all(), MOST_ORGANIZATIONS, byTotal),
    hours: breakdownOf(hours.all(), MOST_HOURS, latestFirst),
  };
}

function logOf({ topic, partition, incarnation, log }: Source, { from, to }: OffsetSpan): FragmentSqlToken {
  return sql.fragment`
    SELECT l."offset", l.event_id, l.organization_id, l.processing_status AS status, l.processed_at,
      to_char(date_trunc('hour', l.event_timestamp, 'UTC') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS hour
    FROM ${log} l
    WHERE l.topic = ${topic} COLLATE "C" AND l.partition = ${partition} AND l."offset" >= ${from} AND l."offset" < ${to}
      AND l.topic_incarnation = ${incarnation}
  `;
}

async function countLog(connection: CommonQueryMethods, source: Source, range: OffsetSpan) {
  return connection.any(sql.type(
    z.object({
      is_organization: z.boolean(),
      name: z.string().nullable(),
      status: z.enum(LOG_STATUSES),
      events: z.number(),
    }),
  )`
    SELECT grouping(organization_id) = 0 AS is_organization,
      CASE WHEN grouping(organization_id) = 0 THEN organization_id ELSE hour END AS name, status, count(*) AS events
    FROM (${logOf(source, range)}) l
    GROUP BY GROUPING SETS ((organization_id, status), (hour, status))
  `);
}

/**
 * Look-ups by key alone: neither the ledger nor a staging table is ever read as a whole. A row may be missing on purpose:
 * an id that the ledger was made to forget; a staging row of a person that was erased, or of a span of time that left its
 * table after the row had come.
 */
async function findMissing(connection: CommonQueryMethods, source: Source, range: OffsetSpan) {
  const missing = z.object({ count: z.number(), offsets: z.array(z.number()) });
  return connection.one(sql.type(z.object({ ledger: missing, staging: missing }))`
    WITH won AS MATERIALIZED (
      SELECT l."offset", known.*
      FROM (${logOf(source, range)}) l
      LEFT JOIN LATERAL (
        SELECT g.event_id, g.entity, g.event_timestamp, g.organization_id, g.first_seen, g.erased_by
        FROM analytics.crm_event_ledger g
        WHERE g.event_id = l.event_id AND g.source_id = ${source.sourceId} AND g.partition = ${source.partition}
          AND g."offset" = l."offset"
        OFFSET 0
      ) known ON true
      WHERE l.status = 'processed'
        AND (known.event_id IS NOT NULL OR (l.processed_at < ${source.prunedBefore}::timestamptz) IS NOT TRUE)
    ),
    unstaged AS MATERIALIZED (
      SELECT w."offset"
      FROM won w
      WHERE w.event_id IS NOT NULL AND w.erased_by IS NULL AND NOT CASE w.entity
        WHEN 1 THEN EXISTS (
          SELECT 1 FROM analytics.crm_leads_staging s
          WHERE s.event_id = w.event_id AND s.event_timestamp = w.event_timestamp
        )
        WHEN 2 THEN EXISTS (
          SELECT 1 FROM analytics.crm_contacts_staging s
          WHERE s.event_id = w.event_id AND s.event_timestamp = w.event_timestamp
        )
        ELSE EXISTS (
          SELECT 1 FROM analytics.crm_opportunities_staging s
          WHERE s.event_id = w.event_id AND s.event_timestamp = w.event_timestamp
        )
      END AND NOT EXISTS (
        SELECT 1 FROM analytics.crm_retired r
        WHERE r.parent = (
            '{crm_leads_staging,crm_contacts_staging,crm_opportunities_staging}'::text[]
          )[w.entity]
          AND r.lower_bound <= w.event_timestamp AND w.event_timestamp < r.upper_bound
          AND (r.organization_id IS NULL OR r.organization_id = w.organization_id) AND r.retired_at >= w.first_seen
      )
    )
    SELECT
      (
        SELECT jsonb_build_object('count', count(*), 'offsets', to_jsonb(
          COALESCE((array_agg("offset" ORDER BY "offset"))[1:${MOST_OFFSETS}], '{}')
        ))
        FROM won WHERE event_id IS NULL
      ) AS ledger,
      (
        SELECT jsonb_build_object('count', count(*), 'offsets', to_jsonb(
          COALESCE((array_agg("offset" ORDER BY "offset"))[1:${MOST_OFFSETS}], '{}')
        ))
        FROM unstaged
      ) AS staging
  `);
}

function addMissing(a: Missing, b: Missing): Missing {
  return { count: a.count + b.count, offsets: [...a.offsets, ...b.offsets].slice(0, MOST_OFFSETS) };
}

/** Counts by name, over the pieces of a range. */
class Shares {
  readonly #byName = new Map<string | null, StatusCounts>();

  add(name: string | null, counts: StatusCounts): void {
    this.#byName.set(name, addCounts(this.#byName.get(name) ?? NO_STATUSES, counts));
  }

  all(): Share[] {
    return [...this.#byName].map(([name, counts]) => ({ name, ...counts }));
  }
}

const byTotal = (a: Share, b: Share) => totalOf(b) - totalOf(a) || ((a.name ?? '') < (b.name ?? '') ? -1 : 1);
const latestFirst = (a: Share, b: Share) => ((a.name ?? '') > (b.name ?? '') ? -1 : 1);
