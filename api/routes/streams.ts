/** Streams, the events of one topic and schema, that are treated apart, and what a person can decide of them. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Stream, StreamId, StreamState } from '../../activities/stream-ports.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { answer, jsonBody } from '../schemas.ts';
import { ReasonSchema } from './dead-letters-settle.ts';

const StreamSchema = z
  .object({
    topic: z.string(),
    schemaId: z.number().int().openapi({ description: '0 for messages that name no schema.' }),
    state: z.enum(['flowing', 'schema_unknown', 'tripped', 'let_through']).openapi({
      description:
        '`schema_unknown`: the registry does not know the id; read again by itself when it does. `tripped`: too many of its events failed for good; left in Kafka until somebody decides. `let_through`: failures become dead letters. `flowing`: nothing is the matter (any more).',
    }),
    reason: z.string(),
    changedBy: z.string().nullable().openapi({ description: 'Null when it changed by itself.' }),
    changedAt: z.iso.datetime(),
    parked: z
      .object({ ranges: z.number().int(), records: z.number().int() })
      .openapi({ description: 'What waits in Kafka.' }),
  })
  .openapi('Stream');

const Params = z.object({
  topic: z.string().min(1).max(249).openapi({ example: 'crm.leads' }),
  schemaId: z.coerce.number().int().min(0).max(2_147_483_647).openapi({ example: 7 }),
});

const DiscardedSchema = z.object({ ranges: z.number().int(), records: z.number().int() }).openapi('DiscardedParked');

const tags = ['Streams'];

const list = createRoute({
  method: 'get',
  path: '/streams',
  ...permits('ingestion:read', 'installation'),
  tags,
  summary: 'Streams that are, or once were, treated apart',
  description: 'A stream is the events of one topic and schema. Those that are not listed flow.',
  responses: {
    200: answer('By topic and schema.', z.object({ streams: z.array(StreamSchema) })),
    ...problemResponses('internal'),
  },
});

const resume = createRoute({
  method: 'post',
  path: '/streams/{topic}/{schemaId}/resume',
  ...permits('ingestion:start', 'installation'),
  tags,
  summary: 'Let a stream flow again',
  description:
    'Its circuit breaker is armed anew. What is parked is read again within about a minute, and parked once more if it is as bad as before.',
  request: { params: Params },
  responses: {
    200: answer('It flows.', StreamSchema),
    ...problemResponses('invalid-request', 'unknown-stream', 'refused', 'internal'),
  },
});

const letThrough = createRoute({
  method: 'post',
  path: '/streams/{topic}/{schemaId}/let-through',
  ...permits('ingestion:start', 'installation'),
  tags,
  summary: 'Let the failures of a stream become dead letters',
  description: 'Without a circuit breaker, until it is resumed. What is parked is read again within about a minute.',
  request: { params: Params },
  responses: {
    200: answer('It is let through.', StreamSchema),
    ...problemResponses('invalid-request', 'unknown-stream', 'refused', 'internal'),
  },
});

const discard = createRoute({
  method: 'post',
  path: '/streams/{topic}/{schemaId}/discard',
  ...permits('deadletter:discard', 'installation'),
  tags,
  summary: 'Give up what is parked of a stream',
  description:
    'The records stay in Kafka as long as its retention keeps them, but are not read again by themselves. The stream stays as it is.',
  request: {
    params: Params,
    body: jsonBody(ReasonSchema),
  },
  responses: {
    200: answer('What was given up.', DiscardedSchema),
    ...problemResponses('invalid-request', 'unknown-stream', 'unsupported-media-type', 'too-large', 'internal'),
  },
});

export function streamsRoutes({ streams }: Pick<ApiDeps, 'streams'>) {
  /** @throws ProblemError when it has never been treated apart */
  async function find({ topic, schemaId }: StreamId): Promise<Stream> {
    const found = (await streams.list()).find((stream) => stream.topic === topic && stream.schemaId === schemaId);
    if (found === undefined) {
      throw new ProblemError(
        'unknown-stream',
        `No events of ${topic} with schema ${schemaId} have ever been treated apart; GET /streams lists those that have.`,
      );
    }
    return found;
  }

  async function move(id: StreamId, to: StreamState, from: StreamState[], reason: string, who: string) {
    await find(id);
    await streams.move(id, to, { from, reason, who });
    return find(id);
  }

  return createRouter()
    .openapi(list, async (c) => c.json({ streams: await streams.list() }, 200))
    .openapi(resume, async (c) => {
      const who = c.get('principal').name;
      const from: StreamState[] = ['tripped', 'let_through'];
      const stream = await move(c.req.valid('param'), 'flowing', from, 'resumed by a person', who);
      if (stream.state !== 'flowing') {
        throw new ProblemError(
          'refused',
          'The registry does not know its schema. Its records are read again by themselves once it does.',
        );
      }
      return c.json(stream, 200);
    })
    .openapi(letThrough, async (c) => {
      const who = c.get('principal').name;
      const from: StreamState[] = ['flowing', 'schema_unknown', 'tripped'];
      return c.json(await move(c.req.valid('param'), 'let_through', from, 'let through by a person', who), 200);
    })
    .openapi(discard, async (c) => {
      const id = c.req.valid('param');
      await find(id);
      const { reason } = c.req.valid('json');
      return c.json(await streams.discard(id, { reason, who: c.get('principal').name }), 200);
    });
}
