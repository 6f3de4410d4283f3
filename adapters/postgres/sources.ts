import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';
import type { Source, Sources } from '../../activities/failed-ports.ts';
import { guarded } from './errors.ts';

const sourceRow = z.object({ source_id: z.number(), incarnation: z.number(), topic_id: z.string().nullable() });

/** Topics with their incarnations, for records that are read without a claimed range. */
export function createSources(connection: CommonQueryMethods): Sources {
  return {
    newest: (topic, topicId) => guarded(() => newest(connection, topic, topicId)),
  };
}

async function newest(connection: CommonQueryMethods, topic: string, topicId: string | null): Promise<Source> {
  const known = await find(connection, topic);
  if (known !== null) {
    return known;
  }
  await connection.query(sql.unsafe`
    INSERT INTO analytics.crm_sources (topic, topic_id) VALUES (${topic}, ${topicId}) ON CONFLICT DO NOTHING
  `);
  const made = await find(connection, topic);
  if (made === null) {
    throw new TypeError(`no source of topic ${topic}, though it was just made`);
  }
  return made;
}

async function find(connection: CommonQueryMethods, topic: string): Promise<Source | null> {
  const row = await connection.maybeOne(sql.type(sourceRow)`
    SELECT source_id, incarnation, topic_id FROM analytics.crm_sources
    WHERE topic = ${topic} COLLATE "C" ORDER BY incarnation DESC LIMIT 1
  `);
  return row === null ? null : { sourceId: row.source_id, incarnation: row.incarnation, topicId: row.topic_id };
}
