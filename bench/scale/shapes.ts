// Dimensions that differ in what is read, or by how many workers; all write into empty tables.
import { DEFAULT_ORGANIZATIONS } from '../../scripts/lib/produce-events.ts';
import { shapeOf } from '../backlog.ts';
import { type Environment, OURS } from '../environment.ts';
import { deleteTopics, fillTopics, type Shape, type Topics } from '../events/topics.ts';
import type { Closing } from '../servers.ts';
import type { Case, OpenDimension } from './dimension.ts';

const PARTITIONS = [1, 2, 12, 48];
const WORKERS = [2];
const MANY_ORGANIZATIONS = [1, 100, 10_000];
/** With the names of people: 200 B is the smallest that the schemas allow, more is filled up. */
const SIZES: ReadonlyArray<readonly [name: string, size: Shape['size'], bytes: number]> = [
  ['200 B', 'sparse', 200],
  ['1 KB', 1_000, 1_000],
  ['10 KB', 10_000, 10_000],
  ['100 KB', 100_000, 100_000],
];
/** Topics of large events hold fewer of them. */
const MOST_BYTES = 1_000_000_000;

export const partitions: OpenDimension = async (environment, log, closing) => ({
  name: 'partitions',
  note: 'Partitions of each of the four topics.',
  cases: [
    base(environment, `${environment.settings.partitions} partitions`),
    ...(await many(
      environment,
      PARTITIONS.filter((count) => count !== environment.settings.partitions),
      async (count) => {
        const topics = await shaped(environment, `p${count}`, { partitions: count }, log, closing);
        const name = count === 1 ? '1 partition' : `${count} partitions`;
        return plain(environment, name, topics, environment.settings.events);
      },
    )),
  ],
});

export const workers: OpenDimension = async (environment) => ({
  name: 'workers',
  note: `Worker processes on this machine, which share its cores and the ${environment.settings.lanes} lanes.`,
  cases: [
    base(environment, '1 worker'),
    ...WORKERS.map((count): Case => {
      const { backlog, settings } = environment;
      return {
        ...plain(environment, `${count} workers`, backlog.topics, settings.events, count),
      };
    }),
  ],
});

export const sizes: OpenDimension = async (environment, log, closing) => ({
  name: 'sizes',
  note: 'Bytes of an event in Kafka. 200 B is an event without anything optional; from 1 KB on a field of the writer’s schema that we don’t store fills it up.',
  cases: [
    base(environment, 'as generated, 300 B'),
    ...(await many(environment, SIZES, async ([name, size, bytes]) => {
      const events = Math.min(environment.settings.events, Math.floor(MOST_BYTES / bytes));
      const topics = await shaped(environment, `s${bytes}`, { size, events }, log, closing);
      return plain(environment, name, topics, events);
    })),
  ],
});

export const organizations: OpenDimension = async (environment, log, closing) => ({
  name: 'organizations',
  note: 'Organizations that the events are spread over.',
  cases: [
    base(environment, `${DEFAULT_ORGANIZATIONS} organizations`),
    ...(await many(environment, MANY_ORGANIZATIONS, async (count) => {
      const topics = await shaped(environment, `o${count}`, { organizations: count }, log, closing);
      const name = count === 1 ? '1 organization' : `${count.toLocaleString('en-US')} organizations`;
      return plain(environment, name, topics, environment.settings.events);
    })),
  ],
});

/** The run's own backlog, read by one worker into empty tables. */
export function base(environment: Environment, name: string): Case {
  return plain(environment, name, environment.backlog.topics, environment.settings.events);
}

function plain({ databases }: Environment, name: string, topics: Topics, events: number, workers = 1): Case {
  return {
    name,
    prepare: async () => ({ topics, databaseUrl: await databases.fresh(OURS), events, fresh: events, workers }),
  };
}

/** Topics of the backlog's events but for what is told. */
export async function shaped(
  { id, kafka, registry, settings }: Environment,
  label: string,
  differences: Partial<Shape>,
  log: (line: string) => void,
  closing: Closing,
): Promise<Topics> {
  const shape = { ...shapeOf(settings), ...differences };
  log(`sending ${shape.events.toLocaleString('en-US')} events (${label}) to Kafka …`);
  const topics = await fillTopics({ kafka, registry }, `bench-${id}-${label}`, shape);
  closing.push(() => deleteTopics(kafka, topics));
  return topics;
}

/** One after the other, since each fills topics. */
async function many<T>({ signal }: Environment, list: readonly T[], make: (one: T) => Promise<Case>): Promise<Case[]> {
  const made: Case[] = [];
  for (const one of list) {
    signal.throwIfAborted();
    made.push(await make(one));
  }
  return made;
}
