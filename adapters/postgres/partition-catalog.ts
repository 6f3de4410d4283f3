/** The partitions for people: to look at, to make, and to archive by hand. */
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { PartitionCatalog, PartitionedTable } from '../../activities/maintenance-ports.ts';
import { guarded } from './errors.ts';
import { archivePartition } from './partition-retire.ts';
import { dayOf, makePartitions, missingPartitions, type PartitionInterval } from './partitions.ts';

const DAY_MS = 86_400_000;

const partitionRow = z.object({
  table: z.string(),
  partition: z.string(),
  state: z.enum(['attached', 'default', 'archived']),
  from: z.string().nullable(),
  to: z.string().nullable(),
  rowsEstimate: z.number().nullable(),
  bytes: z.number(),
});

export function createPartitionCatalog(connection: CommonQueryMethods, interval: PartitionInterval): PartitionCatalog {
  return {
    list: () => guarded(() => list(connection)),

    async create(table, span) {
      const days: number[] = [];
      for (let at = dayOf(span.from); at <= span.to; at += DAY_MS) {
        days.push(at);
      }
      const missing = await missingPartitions(
        connection,
        days.map((at) => ({ table, at })),
      );
      return makePartitions(connection, missing, interval);
    },

    detach: (table, partition) =>
      guarded(async () => {
        if (!(await canBeDetached(connection, table, partition))) {
          return 'unknown';
        }
        const archivedAs = await archivePartition(connection, table, partition);
        return archivedAs === null ? 'locked' : { archivedAs };
      }),
  };
}

async function list(connection: CommonQueryMethods): ReturnType<PartitionCatalog['list']> {
  const rows = await connection.any(sql.type(partitionRow)`
    WITH known AS (
      SELECT parent, partition, 'analytics' AS schema, CASE WHEN is_default THEN 'default' ELSE 'attached' END AS state,
        lower_bound, upper_bound
      FROM analytics.crm_partitions
      UNION ALL
      SELECT parent, partition || '_r' || retired_id, 'analytics_archive', 'archived', lower_bound, upper_bound
      FROM analytics.crm_retired
      WHERE how IN ('archived', 'detached')
    )
    SELECT k.parent AS table, k.partition, k.state, ${asIso(sql.fragment`k.lower_bound`)} AS from,
      ${asIso(sql.fragment`k.upper_bound`)} AS to, NULLIF(c.reltuples, -1)::bigint AS "rowsEstimate",
      pg_total_relation_size(c.oid) AS bytes
    FROM known k
    JOIN pg_namespace n ON n.nspname = k.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = k.partition
    ORDER BY k.parent, k.state, k.lower_bound, k.partition
  `);
  return [...rows];
}

/** Without a bound there is no time to tell. */
function asIso(bound: ReturnType<typeof sql.fragment>) {
  return sql.fragment`
    CASE WHEN isfinite(${bound}) THEN to_char(${bound} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') END
  `;
}

/** What takes the rows that no other partition takes must stay. */
function canBeDetached(connection: CommonQueryMethods, table: PartitionedTable, partition: string): Promise<boolean> {
  return connection.oneFirst(sql.type(z.object({ can: z.boolean() }))`
    SELECT EXISTS (
      SELECT 1 FROM analytics.crm_partitions p
      WHERE p.parent = ${table} AND p.partition = ${partition} AND NOT p.is_default AND isfinite(p.lower_bound)
    ) AS can
  `);
}
