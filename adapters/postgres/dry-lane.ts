/**
 * What a lane of a dry run works with: the ranges of the replay are its positions, fenced like those of any lane, and all
 * that it writes is what it found.
 */
import { type CommonQueryMethods, type DatabasePool, sql } from 'slonik';
import { z } from 'zod';
import { type Batch, type ClaimedRange, FencedError, type LaneStore, type Positions } from '../../activities/ports.ts';
import { addFindings, type DryRunFindings, NO_FINDINGS } from '../../domain/dry-run-findings.ts';
import { NO_COUNTS } from './chain-sums.ts';
import { dryRunBatch } from './dry-run.ts';
import { guarded } from './errors.ts';

export function openDryLane(pool: DatabasePool, replayId: string): LaneStore {
  return {
    positions: {
      claim: ({ ranges }) => guarded(() => claim(pool, replayId, ranges)),
      jump: (range, to) => guarded(() => jump(pool, replayId, range, to)),
      reincarnate: () => Promise.reject(new FencedError('a dry run ends with the topic that it is of')),
      list: async () => [],
    },
    writer: {
      write: (batch) =>
        guarded(async () => {
          await note(pool, replayId, batch, await dryRunBatch(pool, batch));
          return { slices: batch.slices.map(() => NO_COUNTS), events: [], retries: [] };
        }),
      committed: (batch) =>
        guarded(async () =>
          (await stands(pool, replayId, batch))
            ? { slices: batch.slices.map(() => NO_COUNTS), events: [], retries: [] }
            : null,
        ),
      close: async () => {},
    },
  };
}

const claimedRow = z.object({
  positionId: z.number(),
  epoch: z.number(),
  sourceId: z.number(),
  incarnation: z.number(),
  topicId: z.string().nullable(),
  topic: z.string(),
  partition: z.number(),
  nextOffset: z.number(),
  endOffset: z.number(),
});

async function claim(
  connection: CommonQueryMethods,
  replayId: string,
  ranges: Parameters<Positions['claim']>[0]['ranges'],
): Promise<ClaimedRange[]> {
  const claimed: ClaimedRange[] = [];
  for (const { topic, partition, rangeStart } of ranges) {
    const row = await connection.one(sql.type(claimedRow)`
      UPDATE analytics.crm_replay_parts p
      SET epoch = p.epoch + 1
      FROM analytics.crm_sources s
      WHERE p.replay_id = ${replayId} AND p.topic = ${topic} COLLATE "C" AND p.partition = ${partition}
        AND p.from_offset = ${rangeStart} AND s.source_id = p.source_id
      RETURNING p.range_id AS "positionId", p.epoch, p.source_id AS "sourceId", s.incarnation, s.topic_id AS "topicId", p.topic,
        p.partition, p.next_offset AS "nextOffset", p.to_offset AS "endOffset"
    `);
    claimed.push({ ...row, last: null });
  }
  return claimed;
}

async function jump(
  connection: CommonQueryMethods,
  replayId: string,
  range: ClaimedRange,
  to: number,
): Promise<ClaimedRange> {
  await connection.transaction((transaction) => skip(transaction, replayId, range, to));
  return { ...range, nextOffset: to };
}

/** There is no chain that would say it: what retention deletes meanwhile is lost like what it deleted before. */
async function skip(connection: CommonQueryMethods, replayId: string, range: ClaimedRange, to: number): Promise<void> {
  await move(connection, replayId, { range, from: range.nextOffset, next: to }, NO_FINDINGS);
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_replay_parts SET lost = lost + ${to - range.nextOffset}
    WHERE replay_id = ${replayId} AND range_id = ${range.positionId}
  `);
}

async function note(
  connection: CommonQueryMethods,
  replayId: string,
  { slices }: Batch,
  findings: DryRunFindings,
): Promise<void> {
  await connection.transaction(async (transaction) => {
    // They are told of the whole replay, so it does not matter which of its ranges has them.
    for (const [index, slice] of slices.entries()) {
      await move(transaction, replayId, slice, index === 0 ? findings : NO_FINDINGS);
    }
  });
}

async function move(
  connection: CommonQueryMethods,
  replayId: string,
  {
    range,
    from,
    next,
  }: Pick<Batch['slices'][number], 'from' | 'next'> & {
    range: Pick<ClaimedRange, 'positionId' | 'epoch' | 'topic' | 'partition'>;
  },
  findings: DryRunFindings,
): Promise<void> {
  const held = await connection.maybeOne(sql.type(z.object({ findings: z.custom<DryRunFindings | null>() }))`
    SELECT findings FROM analytics.crm_replay_parts
    WHERE replay_id = ${replayId} AND range_id = ${range.positionId} AND epoch = ${range.epoch} AND next_offset = ${from}
    FOR UPDATE
  `);
  if (held === null) {
    throw new FencedError(`${range.topic}[${range.partition}] is held by another lane`);
  }
  const sum = addFindings(held.findings ?? NO_FINDINGS, findings);
  await connection.query(sql.unsafe`
    UPDATE analytics.crm_replay_parts SET next_offset = ${next}, findings = ${JSON.stringify(sum)}::jsonb
    WHERE replay_id = ${replayId} AND range_id = ${range.positionId}
  `);
}

/** Whether a batch was noted under its epoch: its slices are noted together or not at all. */
function stands(connection: CommonQueryMethods, replayId: string, { slices }: Batch): Promise<boolean> {
  const [slice] = slices;
  if (slice === undefined) {
    return Promise.resolve(true);
  }
  return connection.exists(sql.unsafe`
    SELECT FROM analytics.crm_replay_parts
    WHERE replay_id = ${replayId} AND range_id = ${slice.range.positionId} AND epoch = ${slice.range.epoch}
      AND next_offset = ${slice.next}
  `);
}
