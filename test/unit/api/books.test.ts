import { describe, expect, it } from 'vitest';
import type { Books, PartitionBooks } from '../../../activities/books-ports.ts';
import { BooksSchema } from '../../../api/routes/books.ts';
import { NO_SUMS } from '../../../domain/books.ts';
import { createTestApp, PREFIX } from './app-under-test.ts';

function partitionBooks(topic: string, partition: number, over: Partial<PartitionBooks> = {}): PartitionBooks {
  return {
    topic,
    incarnation: 1,
    partition,
    closed: false,
    from: 0,
    next: 10,
    sums: { ...NO_SUMS, records: 10, stored: 10, batches: 1 },
    jumps: 0,
    breaks: 0,
    moves: [],
    ...over,
  };
}

const EMPTY: Books = { partitions: [], breaks: [], jumps: [], parked: [], identities: [] };

async function booksOf(books: Partial<Books>, query = '', overrides: Parameters<typeof createTestApp>[0] = {}) {
  const { request } = createTestApp({ books: { read: async () => ({ ...EMPTY, ...books }) }, ...overrides });
  const response = await request('GET', `${PREFIX}/books${query}`);
  expect(response.status).toBe(200);
  return BooksSchema.parse(await response.json());
}

const bounds = async (partitions: ReadonlyArray<{ topic: string; partition: number }>) =>
  partitions.map(({ topic, partition }) => ({ topic, partition, earliest: 0, end: 12, topicId: null }));

describe('books', () => {
  it('balance where nothing was ever read', async () => {
    expect(await booksOf({})).toMatchObject({
      balanced: true,
      reasons: [],
      totals: NO_SUMS,
      partitions: [],
      notes: [],
    });
  });

  it('add up partitions and moves, with the end of the log beside each', async () => {
    const move = { cause: 'retry', from: 'failed', to: 'processed', events: 2 } as const;
    const books = await booksOf(
      {
        partitions: [
          partitionBooks('crm.leads', 0, { moves: [move] }),
          partitionBooks('crm.leads', 1, { moves: [move, { ...move, cause: 'redrive' }] }),
        ],
      },
      '',
      { bounds },
    );
    expect(books.totals).toMatchObject({ records: 20, stored: 20, batches: 2 });
    expect(books.partitions).toMatchObject([
      { partition: 0, next: 10, logEnd: 12 },
      { partition: 1, next: 10, logEnd: 12 },
    ]);
    expect(books.moves).toEqual([
      { ...move, events: 4 },
      { ...move, cause: 'redrive' },
    ]);
  });

  it('say in words what is wrong, whatever is listed', async () => {
    const broken: Partial<Books> = {
      partitions: [partitionBooks('crm.leads', 0), partitionBooks('crm.contacts', 3, { breaks: 1 })],
      breaks: [{ kind: 'gap', topic: 'crm.contacts', incarnation: 1, partition: 3, scope: 'group', from: 4, to: 6 }],
      identities: [{ name: 'dead', meaning: 'm', booked: 2, counted: 3 }],
    };
    const books = await booksOf(broken, '?topic=crm.leads&partition=0', { bounds });
    expect(books.partitions).toMatchObject([{ topic: 'crm.leads', partition: 0 }]);
    expect(books.totals?.records).toBe(10);
    expect(books.balanced).toBe(false);
    expect(books.reasons).toEqual([
      'crm.contacts[3]: no batch accounts for the offsets 4 up to 6 (chain of group)',
      'dead: the books say 2, the tables hold 3',
    ]);
    expect(books.identities).toMatchObject([{ name: 'dead', holds: false }]);
  });

  it('do without Kafka, and say that they are unknown without PostgreSQL', async () => {
    const away = async (): Promise<never> => {
      throw new Error('connect ECONNREFUSED');
    };
    const withoutKafka = await booksOf({ partitions: [partitionBooks('crm.leads', 0)] }, '', { bounds: away });
    expect(withoutKafka).toMatchObject({ balanced: true, partitions: [{ logEnd: null }] });
    expect(withoutKafka.notes).toEqual([expect.stringContaining('Kafka')]);

    const withoutDatabase = await booksOf({}, '', { books: { read: away } });
    expect(withoutDatabase).toMatchObject({ balanced: null, totals: null, partitions: null, identities: null });
    expect(withoutDatabase.notes).toEqual([expect.stringContaining('PostgreSQL')]);
  });

  it('ask Kafka nothing of a topic that was made again', async () => {
    const books = await booksOf({ partitions: [partitionBooks('crm.leads', 0, { closed: true })] }, '', {
      bounds: async () => {
        throw new Error('not to be asked');
      },
    });
    expect(books).toMatchObject({ partitions: [{ closed: true, logEnd: null }], notes: [] });
  });

  it.each(['?partition=-1', '?partition=x', '?topic='])('refuse a filter that means nothing: %s', async (query) => {
    const { app } = createTestApp();
    expect((await app.request(`${PREFIX}/books${query}`)).status).toBe(400);
  });
});
