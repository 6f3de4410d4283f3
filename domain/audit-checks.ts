/** Which numbers of an audited range must agree, and how closely. */
import type { PartitionAudit } from './audit.ts';
import type { OffsetSpan } from './books.ts';
import { type StatusCounts, totalOf } from './status-counts.ts';

/** Two numbers that were counted apart. */
export interface Check {
  name: string;
  meaning: string;
  booked: number;
  counted: number;
  /** `counted` may be less by `below` and more by `above`, because of what `why` says; both 0 without. */
  below: number;
  above: number;
  why: string | null;
  holds: boolean;
}

/** Why a count may differ from the other one, and by how much at most. */
interface Room {
  why: string;
  below?: number;
  above?: number;
}

const ENQUEUED = 'messages were enqueued by their coordinates, and the books keep no offsets of those';
const READ_AGAIN = 'offsets were read more than once: the chain counts every reading, the log a delivery once';
const REPLAYED = 'what a replay stored or had fail was skipped or filtered by another reading';
const PRUNED = 'the ledger was made to forget ids: what is read again of them is stored again';
const RETIRED = 'retention deleted rows of the log, which were counted together with others beyond the range';

/** Which numbers of a range must agree, over whole batches. @param range the offsets that were proved */
export function checksOf(audit: PartitionAudit, { from, to }: OffsetSpan): Check[] {
  const { chain, replays, log, retired, failed, parked, unread, pruned } = audit;
  const isReadAgain = chain.offsets > to - from;
  const replayed = replays.stored + replays.failed + replays.dead;
  const logged = (status: keyof StatusCounts) => log[status] + retired.within[status];
  const gone = (status: keyof StatusCounts): Room => ({ why: RETIRED, below: retired.maybe[status] });
  return [
    check('stored', 'Stored by the chain, and settled as processed later = processed in the events log.', {
      booked: chain.stored + replays.stored + failed.processed,
      counted: logged('processed'),
      room: [
        { why: ENQUEUED, above: unread.processed },
        { why: PRUNED, below: isReadAgain || replays.offsets > 0 ? pruned : 0 },
        gone('processed'),
      ],
    }),
    check('filtered', 'Filtered by the chain, and settled as filtered later = filtered in the events log.', {
      booked: chain.filtered + failed.filtered,
      counted: logged('filtered'),
      room: [
        { why: ENQUEUED, above: unread.filtered },
        { why: READ_AGAIN, below: isReadAgain ? chain.filtered : 0 },
        { why: REPLAYED, below: Math.min(replayed, chain.filtered) },
        gone('filtered'),
      ],
    }),
    check('skipped', 'Skipped by the chain, and settled as skipped later = skipped in the events log.', {
      booked: chain.skipped + failed.skipped,
      counted: logged('skipped'),
      room: [
        { why: ENQUEUED, below: isReadAgain ? 0 : Math.min(totalOf(unread), chain.skipped), above: unread.skipped },
        { why: READ_AGAIN, below: isReadAgain ? chain.skipped : 0 },
        { why: REPLAYED, below: Math.min(replayed, chain.skipped) },
        gone('skipped'),
      ],
    }),
    check('rejected', 'Failed or dead at first, by the chain = failed events, whatever became of them.', {
      booked: chain.failed + chain.dead + replays.failed + replays.dead,
      counted: totalOf(failed),
      room: [{ why: ENQUEUED, above: unread.failed + unread.dead }],
    }),
    ...(['failed', 'dead', 'discarded'] as const).map((status) =>
      check(status, `Failed events that are ${status} = ${status} in the events log.`, {
        booked: failed[status],
        counted: logged(status),
        room: [gone(status)],
      }),
    ),
    check('parked', 'Parked by the chain = records of parked ranges, settled ones among them.', {
      booked: chain.parked + replays.parked,
      counted: parked,
      room: [],
    }),
  ];
}

function check(
  name: string,
  meaning: string,
  { booked, counted, room }: { booked: number; counted: number; room: readonly Room[] },
): Check {
  const given = room.filter(({ below = 0, above = 0 }) => below + above > 0);
  const below = given.reduce((sum, reason) => sum + (reason.below ?? 0), 0);
  const above = given.reduce((sum, reason) => sum + (reason.above ?? 0), 0);
  const why = given.length === 0 ? null : given.map((reason) => reason.why).join('; ');
  const holds = counted >= booked - below && counted <= booked + above;
  return { name, meaning, booked, counted, below, above, why, holds };
}
