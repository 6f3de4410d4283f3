// How far the rival's rows are visible. It keeps no positions in the table, so the rows themselves are looked up by their
// keys: the first that is missing of each partition, and when one is there, how many more. A partition's records are
// written in their order, and those of one `put` in one transaction.
import pg from 'pg';
import { sharedClock } from './clock.ts';
import { eventTime } from './schedule.ts';
import type { Sight, Watched } from './sight.ts';
import { stampedId } from './stamp.ts';

/** Rows that are looked up for each stream at once, while it is found out how many are there. */
const PROBES = 16;

/** A record of a stream, counted from 0. */
interface Probe {
  stream: number;
  nth: number;
}

/** Which of the probed records are there, in the order of the probes. */
export type AreThere = (probes: readonly Probe[]) => Promise<readonly boolean[]>;

/** @param table whose key is (event_timestamp, event_id) */
export async function openRowsSight(databaseUrl: string, table: string, watched: Watched): Promise<Sight> {
  const { generator, schedule, startAt, startedAt } = watched;
  const { ids, firstLap } = generator;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  // Each by its whole key, in the one partition of its time.
  const text = `
    SELECT found.event_id
    FROM unnest($1::timestamptz[], $2::varchar[]) AS wanted(event_timestamp, event_id)
    CROSS JOIN LATERAL (
      SELECT t.event_id FROM ${table} t
      WHERE t.event_timestamp = wanted.event_timestamp AND t.event_id = wanted.event_id
      OFFSET 0
    ) found`;

  const areThere: AreThere = async (probes) => {
    const places = probes.map(({ stream, nth }) => schedule.placeOf(stream, nth));
    const wanted = places.map((place) =>
      stampedId(ids[place % ids.length] ?? '', firstLap + Math.floor(place / ids.length)),
    );
    const times = places.map((place) => new Date(eventTime(place, schedule.rate, startedAt)));
    const { rows } = await client.query<[string]>({ name: 'rows', text, values: [times, wanted], rowMode: 'array' });
    const found = new Set(rows.map(([id]) => id));
    return wanted.map((id) => found.has(id));
  };

  const visible = schedule.streams.map(() => 0);
  return {
    async look() {
      const now = sharedClock() - startAt;
      const due = visible.map((_, stream) => schedule.dueBefore(stream, now));
      const heads = due.flatMap((end, stream) => {
        const nth = visible[stream] ?? 0;
        return nth < end ? [{ stream, nth }] : [];
      });
      const there = heads.length === 0 ? [] : await areThere(heads);
      // In the rival's favour: what more is found below may have been committed since.
      const at = sharedClock();
      const grown = heads
        .filter((_, index) => there[index])
        .map(({ stream, nth }) => ({ stream, nth, end: due[stream] ?? 0 }));
      for (const { stream, visible: count } of await countVisible(grown, areThere)) visible[stream] = count;
      return { at, visible };
    },
    close: () => client.end(),
  };
}

/**
 * How many records of streams are visible, given that the one at `nth` is and the one at `end` is not: by narrowing the
 * space between them for all streams at once.
 */
export async function countVisible(
  streams: ReadonlyArray<Probe & { end: number }>,
  areThere: AreThere,
): Promise<Array<{ stream: number; visible: number }>> {
  const bounds = streams.map(({ stream, nth, end }) => ({ stream, low: nth + 1, high: end }));
  for (let open = bounds.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    const probes = open.flatMap(({ stream, low, high }, index) =>
      evenly(low, high).map((nth) => ({ stream, nth, bound: index })),
    );
    const there = await areThere(probes);
    for (const [index, { bound, nth }] of probes.entries()) {
      const own = open[bound];
      if (own === undefined) continue;
      if (there[index]) own.low = Math.max(own.low, nth + 1);
      else own.high = Math.min(own.high, nth);
    }
  }
  return bounds.map(({ stream, low }) => ({ stream, visible: low }));
}

const isOpen = ({ low, high }: { low: number; high: number }) => low < high;

/** Up to `PROBES` whole numbers from `low` up to `high`, without it; the first and the last among them. */
function evenly(low: number, high: number): number[] {
  const count = Math.min(PROBES, high - low);
  if (count === 1) return [low];
  return Array.from({ length: count }, (_, index) => low + Math.floor((index * (high - 1 - low)) / (count - 1)));
}
