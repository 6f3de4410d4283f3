/**
 * What becomes of a partition that was detached: it is counted and dropped or kept for good. Of what a legal hold keeps the
 * rest is removed, and it stays `detached` until it is lifted.
 */
import { type CommonQueryMethods, type FragmentSqlToken, sql } from 'slonik';
import { z } from 'zod';
import { PARTITIONED } from '../../activities/maintenance-ports.ts';
import { texts } from './column-fragments.ts';
import { LEISURELY, type MaintenanceSession, within } from './maintenance-session.ts';
import { noteDeliveries } from './retired-deliveries.ts';

/** In one run, when people place or lift holds while a partition is counted and copied. */
const TRIES = 3;

const retiredRow = z.object({
  retiredId: z.number(),
  parent: z.enum(PARTITIONED),
  archivedAs: z.string(),
  drop: z.boolean(),
  /** What came at or after it is kept, see LATE-DATA.md; null when the rule takes no late events in. */
  lateFrom: z.string().nullable(),
});
type Retired = z.infer<typeof retiredRow>;

/**
 * Where the rule is gone that had it detached, nothing is dropped. What a hold kept, and the rule that there is now would
 * not have dropped yet, waits.
 */
export async function unfinished(connection: CommonQueryMethods): Promise<readonly Retired[]> {
  return connection.any(sql.type(retiredRow)`
    SELECT t.retired_id AS "retiredId", t.parent, t.partition || '_r' || t.retired_id AS "archivedAs",
      COALESCE(r.afterwards = 'drop', false) AS drop,
      CASE WHEN r.late = 'rebuild' THEN r.cutoff::text END AS "lateFrom"
    FROM analytics.crm_retired t
    LEFT JOIN (
      SELECT parent, afterwards, late, date_trunc('day', now(), 'UTC') - keep_days * interval '1 day' AS cutoff
      FROM analytics.crm_retention
      WHERE organization_id = '' AND keep_days IS NOT NULL
    ) AS r ON r.parent = t.parent
    WHERE t.how = 'detached' AND (r.cutoff IS NULL OR r.afterwards = 'archive' OR t.upper_bound <= r.cutoff)
    ORDER BY t.retired_id
  `);
}

export async function finish(session: MaintenanceSession, retired: Retired): Promise<void> {
  if (!retired.drop) {
    await keep(session, retired);
    return;
  }
  for (let tries = 1; tries <= TRIES && !session.signal.aborted; tries += 1) {
    try {
      const { counts, notes } = await within(session.connection, LEISURELY, (transaction) =>
        drop(session, retired, transaction),
      );
      for (const [what, by] of Object.entries(counts)) {
        session.count(what, by);
      }
      notes.forEach(session.note);
      return;
    } catch (error) {
      if (!(error instanceof HoldsChanged)) {
        throw error;
      }
    }
  }
  session.note(
    `analytics_archive.${retired.archivedAs} stays for now, legal holds changed meanwhile: the next run tries again`,
  );
}

async function keep(session: MaintenanceSession, retired: Retired): Promise<void> {
  await within(session.connection, LEISURELY, async (transaction) => {
    const { rows } = await countRows(transaction, nameOf(retired.archivedAs), [], null);
    await settle(session, retired, 'archived', rows, transaction);
    session.count('archived', 1);
    session.count('archivedRows', rows);
  });
}

interface Dropped {
  counts: Record<string, number>;
  notes: string[];
}

/** Told only when it is committed. @throws HoldsChanged */
async function drop(session: MaintenanceSession, retired: Retired, transaction: CommonQueryMethods): Promise<Dropped> {
  const { parent, archivedAs, lateFrom } = retired;
  const table = nameOf(archivedAs);
  const holds = await holdsNow(transaction);
  const { rows, held, late } = await countRows(transaction, table, holds, lateFrom);
  if (late > 0) {
    return {
      counts: { late: 1 },
      notes: [`analytics_archive.${archivedAs} stays, ${late} rows came late, until they are past retention as well`],
    };
  }
  if (held > 0 && held === rows) {
    return { counts: { held: 1 }, notes: [] };
  }
  const others = sql.fragment`SELECT t.* FROM ${table} t WHERE (${isHeld(holds)}) IS NOT TRUE`;
  await noteDeliveries(session, parent, others, transaction);
  if (held > 0) {
    const held = sql.array([...holds], 'text');
    await session.change(sql.unsafe`SELECT analytics.crm_copy_held(${archivedAs}, ${held})`, transaction);
  }
  await dropTable(session, archivedAs, holds, transaction);
  if (held === 0) {
    await settle(session, retired, 'dropped', rows, transaction);
    return { counts: { dropped: 1, droppedRows: rows }, notes: [] };
  }
  await settle(session, retired, 'detached', rows, transaction);
  return {
    counts: { held: 1, droppedRows: rows - held },
    notes: [`analytics_archive.${archivedAs} stays with the ${held} rows that a legal hold keeps`],
  };
}

function countRows(
  transaction: CommonQueryMethods,
  table: FragmentSqlToken,
  holds: readonly string[],
  lateFrom: string | null,
) {
  return transaction.one(sql.type(z.object({ rows: z.number(), held: z.number(), late: z.number() }))`
    SELECT count(*) AS rows, count(*) FILTER (WHERE ${isHeld(holds)}) AS held,
      count(*) FILTER (WHERE processed_at >= ${lateFrom}::timestamptz) AS late
    FROM ${table} t
  `);
}

/**
 * Whoever places a hold waits for this alone. A copy of what is held, where there is one, takes the table's name.
 * @throws HoldsChanged
 */
async function dropTable(
  session: MaintenanceSession,
  archivedAs: string,
  holds: readonly string[],
  transaction: CommonQueryMethods,
): Promise<void> {
  await session.change(sql.unsafe`SELECT analytics.crm_lock_detached(${archivedAs})`, transaction);
  const now = await holdsNow(transaction);
  if (now.join('\n') !== holds.join('\n')) {
    throw new HoldsChanged();
  }
  await session.change(sql.unsafe`SELECT analytics.crm_drop_detached(${archivedAs})`, transaction);
}

/** What was counted and copied is not what is held any more. */
class HoldsChanged extends Error {
  override readonly name = 'HoldsChanged';
}

function holdsNow(transaction: CommonQueryMethods): Promise<readonly string[]> {
  return transaction.anyFirst(sql.type(z.object({ organizationId: z.string() }))`
    SELECT organization_id AS "organizationId" FROM analytics.crm_legal_holds ORDER BY organization_id
  `);
}

async function settle(
  session: MaintenanceSession,
  { retiredId }: Retired,
  how: 'archived' | 'dropped' | 'detached',
  rows: number,
  transaction: CommonQueryMethods,
): Promise<void> {
  await session.change(
    sql.unsafe`
      UPDATE analytics.crm_retired SET how = ${how}, rows = greatest(rows, ${rows}) WHERE retired_id = ${retiredId}
    `,
    transaction,
  );
}

/** Of a row `t`. */
const isHeld = (holds: readonly string[]) => sql.fragment`t.organization_id = ANY (${texts(holds)})`;

const nameOf = (table: string) => sql.fragment`${sql.identifier(['analytics_archive', table])}`;
