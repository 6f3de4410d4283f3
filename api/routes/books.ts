/** Whether everything that was read is accounted for. */
import { createRoute, z } from '@hono/zod-openapi';
import type { Books, PartitionBooks } from '../../activities/books-ports.ts';
import { NO_SUMS, verdictOf } from '../../domain/books.ts';
import { addCounts } from '../../domain/counts.ts';
import { createRouter } from '../env.ts';
import { problemResponses } from '../errors.ts';
import { createParts } from '../parts.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { NotesSchema } from '../schemas.ts';

const offset = (description: string) => z.number().int().openapi({ description });
const count = offset;

const SumsSchema = z
  .object({
    records: count('Records as the reader counted them, before decoding.'),
    stored: count('Of the records: became a staging row.'),
    skipped: count('Of the records: duplicates, and deliveries that were known before.'),
    conflicts: count('Of those skipped: the same event id with other content or of another organization.'),
    changed: count('Of those skipped: rows that a replay restored or wrote again.'),
    filtered: count(
      'Of the records: event types that are configured away, and events that were dropped as late or erased.',
    ),
    failed: count('Of the records: waited for a retry at first.'),
    dead: count('Of the records: became dead letters at first.'),
    tombstones: count('Of the records: had no value.'),
    parked: count('Of the records: left in Kafka as ranges.'),
    absent: count(
      "Offsets without a record: compacted away, of an aborted transaction, control records; also those of records that a replay's filter left out.",
    ),
    batches: count('Transactions that wrote them.'),
  })
  .openapi('BookSums');

const MoveSchema = z
  .object({
    cause: z.enum(['retry', 'redrive', 'enqueue', 'reread', 'discard']),
    from: z.enum(['unread', 'failed', 'dead', 'discarded']),
    to: z.enum(['processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded']),
    events: z.number().int(),
  })
  .openapi('BookMove');

const BooksOfPartitionSchema = z
  .object({
    topic: z.string(),
    incarnation: z.number().int().openapi({ description: 'Grows when a topic is deleted and made again.' }),
    partition: z.number().int(),
    closed: z.boolean().openapi({ description: 'The topic was made again: these offsets are of a log that is gone.' }),
    from: offset('Lowest offset that was read.').nullable(),
    next: offset('Next offset to read.'),
    logEnd: offset('Offset after the last stable record in Kafka; null when unknown.').nullable(),
    sums: SumsSchema,
    jumps: count('Times that the position moved without reading.'),
    breaks: count('Gaps and overlaps.'),
    moves: z.array(MoveSchema),
  })
  .openapi('PartitionBooks');

const BreakSchema = z
  .object({
    kind: z.enum(['gap', 'overlap']),
    topic: z.string(),
    incarnation: z.number().int(),
    partition: z.number().int(),
    scope: z.string().openapi({ description: 'The consumer group, or the run id of a range that was read apart.' }),
    from: offset('First offset that no batch, or more than one, accounts for.'),
    to: offset('The offset after the last one.'),
  })
  .openapi('BookBreak');

const JumpSchema = z
  .object({
    kind: z.enum(['retention', 'seek']),
    topic: z.string(),
    incarnation: z.number().int(),
    partition: z.number().int(),
    from: offset('Where the position stood.'),
    to: offset('Where it went on.'),
    at: z.iso.datetime(),
  })
  .openapi('BookJump');

const IdentitySchema = z
  .object({
    name: z.enum(['failed', 'dead', 'discarded', 'parked', 'stored']),
    meaning: z.string(),
    booked: count('By the chain and the moves.'),
    counted: count('By the rows of a table.'),
    holds: z.boolean(),
  })
  .openapi('BookIdentity');

const ParkedSchema = z
  .object({
    topic: z.string(),
    schemaId: z.number().int(),
    reason: z.enum(['schema_unknown', 'tripped', 'over_quota']),
    ranges: z.number().int(),
    records: z.number().int(),
  })
  .openapi('BookParked');

export const BooksSchema = z
  .object({
    consumerGroup: z.string(),
    balanced: z.boolean().nullable().openapi({ description: 'The verdict over everything; null when unknown.' }),
    reasons: z.array(z.string()).openapi({ description: 'A sentence for each thing that is wrong.' }),
    totals: SumsSchema.nullable().openapi({ description: 'Over the partitions below.' }),
    partitions: z.array(BooksOfPartitionSchema).nullable(),
    moves: z
      .array(MoveSchema)
      .nullable()
      .openapi({ description: 'Over the partitions below: what changed status after it was read.' }),
    breaks: z.array(BreakSchema).nullable().openapi({ description: 'Gaps and overlaps of all chains.' }),
    jumps: z.array(JumpSchema).nullable().openapi({ description: 'The last hundred, latest first.' }),
    parked: z.array(ParkedSchema).nullable().openapi({ description: 'What waits in Kafka.' }),
    identities: z.array(IdentitySchema).nullable().openapi({ description: 'Over all chains and tables.' }),
    notes: NotesSchema,
  })
  .openapi('Books');

const QuerySchema = z.object({
  topic: z.string().min(1).max(249).optional().openapi({ description: 'Partitions of this topic alone.' }),
  partition: z.coerce
    .number()
    .int()
    .min(0)
    .max(2_147_483_647)
    .optional()
    .openapi({ type: 'integer', description: 'Partitions of this number alone.' }),
});

const books = createRoute({
  method: 'get',
  path: '/books',
  ...permits('ingestion:read', 'installation'),
  tags: ['Books'],
  summary: 'Whether everything that was read is accounted for',
  description:
    'What became of every offset, by partition, and whether the chain of batches joins and agrees with the tables. A filter chooses the partitions that are listed; the verdict is always over everything. When Kafka or PostgreSQL is down, what only it knows is null and `notes` says so.',
  request: { query: QuerySchema },
  responses: {
    200: { description: 'The books as of now.', content: { 'application/json': { schema: BooksSchema } } },
    ...problemResponses('invalid-request', 'internal'),
  },
});

type BooksDeps = Pick<ApiDeps, 'books' | 'bounds' | 'settings' | 'logger'>;

export function booksRoutes({ books: reader, bounds, settings, logger }: BooksDeps) {
  return createRouter().openapi(books, async (c) => {
    const { topic, partition } = c.req.valid('query');
    const { consumerGroup } = settings;
    const parts = createParts(logger);
    const read = await parts.get('books', 'PostgreSQL', () => reader.read(consumerGroup));
    if (read === null) {
      return c.json({ consumerGroup, ...UNKNOWN, notes: parts.notes }, 200);
    }
    const listed = read.partitions.filter(
      (books) =>
        (topic === undefined || books.topic === topic) && (partition === undefined || books.partition === partition),
    );
    const open = listed.filter(({ closed }) => !closed);
    const ends = open.length === 0 ? [] : await parts.get('ends of partitions', 'Kafka', () => bounds(open));
    const endOf = ({ topic, partition, closed }: PartitionBooks) =>
      closed ? null : (ends?.find((at) => at.topic === topic && at.partition === partition)?.end ?? null);
    return c.json(
      {
        consumerGroup,
        ...verdictOf(read.breaks, read.identities),
        totals: listed.map(({ sums }) => sums).reduce(addCounts, NO_SUMS),
        partitions: listed.map((books) => ({ ...books, logEnd: endOf(books) })),
        moves: addMoves(listed.flatMap(({ moves }) => moves)),
        breaks: read.breaks,
        jumps: read.jumps,
        parked: read.parked,
        identities: read.identities.map((identity) => ({ ...identity, holds: identity.booked === identity.counted })),
        notes: parts.notes,
      },
      200,
    );
  });
}

const UNKNOWN = {
  balanced: null,
  reasons: [],
  totals: null,
  partitions: null,
  moves: null,
  breaks: null,
  jumps: null,
  parked: null,
  identities: null,
};

type Move = Books['partitions'][number]['moves'][number];

function addMoves(moves: readonly Move[]): Move[] {
  const sums = new Map<string, Move>();
  for (const move of moves) {
    const key = `${move.cause} ${move.from} ${move.to}`;
    sums.set(key, { ...move, events: move.events + (sums.get(key)?.events ?? 0) });
  }
  return [...sums.values()];
}
