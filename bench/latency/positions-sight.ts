// How far our rows are visible: by the positions, which move in the statement that writes the rows.
import pg from 'pg';
import { sharedClock } from './clock.ts';
import type { Sight, Watched } from './sight.ts';

const POSITIONS = `
  SELECT s.topic, p.partition, p.next_offset
  FROM analytics.crm_positions p JOIN analytics.crm_sources s USING (source_id)
  WHERE p.scope = $1 AND NOT p.closed`;

/** @param consumerGroup whose positions are asked for */
export async function openPositionsSight(
  databaseUrl: string,
  consumerGroup: string,
  { generator: { lap, firstOffsets } }: Watched,
): Promise<Sight> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const streams = new Map(lap.streams.map(({ topic, partition }, stream) => [`${topic}/${partition}`, stream]));
  const query = { name: 'positions', text: POSITIONS, values: [consumerGroup], rowMode: 'array' };
  const visible = lap.streams.map(() => 0);
  return {
    async look() {
      const { rows } = await client.query<[topic: string, partition: number, next: string]>(query);
      const at = sharedClock();
      for (const [topic, partition, next] of rows) {
        const stream = streams.get(`${topic}/${partition}`);
        if (stream === undefined) continue;
        visible[stream] = Math.max(visible[stream] ?? 0, Number(next) - (firstOffsets[stream] ?? 0));
      }
      return { at, visible };
    },
    close: () => client.end(),
  };
}
