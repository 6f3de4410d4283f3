// The process of `same`: lanes that read a topic of flat records and write them into one table, until SIGTERM. As in a
// lane of ours, the next batch is fetched and decoded while one is written.
import type { DatabasePoolConnection } from 'slonik';
import type { LogReader, TopicPartition } from '../../activities/ports.ts';
import { createKafka } from '../../adapters/kafka/client.ts';
import { createLogReader } from '../../adapters/kafka/reader.ts';
import { createDatabasePool } from '../../adapters/postgres/pool.ts';
import { createRegistryClient } from '../../adapters/registry/client.ts';
import { deal } from '../../workflows/deal.ts';
import { createFlatDecoder, type FlatDecoder } from '../peer/flat-decoder.ts';
import { claimFlat, writeFlat } from '../peer/flat-writer.ts';

const LINGER_MS = 20;

async function runLane(
  reader: LogReader,
  decode: FlatDecoder,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<void> {
  const pool = await createDatabasePool({
    url: variable('DATABASE_URL'),
    ca: null,
    poolSize: 1,
    applicationName: 'same',
  });
  try {
    await pool.connect(async (connection) => {
      const session = reader.open(await claimFlat(connection, partitions));
      try {
        await copyAcross(connection, session, decode, signal);
      } finally {
        await session.close();
      }
    });
  } finally {
    await pool.end();
  }
}

async function copyAcross(
  connection: DatabasePoolConnection,
  session: ReturnType<LogReader['open']>,
  decode: FlatDecoder,
  signal: AbortSignal,
): Promise<void> {
  const maxRecords = Number(variable('MAX_RECORDS'));
  let writing: Promise<unknown> = Promise.resolve();
  while (!signal.aborted) {
    const slices = await session.next({ maxRecords, lingerMs: LINGER_MS, signal });
    const rows = await decode(slices);
    await writing;
    writing = slices.length === 0 ? Promise.resolve() : writeFlat(connection, slices, rows);
    writing.catch(() => {}); // the next `await` throws it
  }
  await writing;
}

function variable(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: this process is started by the benchmark`);
  return value;
}

const stopping = new AbortController();
process.once('SIGTERM', () => stopping.abort());
const kafka = createKafka({
  brokers: variable('KAFKA_BROKERS').split(','),
  clientId: 'crm-bench-same',
  ssl: false,
  sasl: null,
  log: () => {},
});
const reader = createLogReader(kafka);
const decode = createFlatDecoder(createRegistryClient({ url: variable('SCHEMA_REGISTRY_URL'), auth: null, ca: null }));
const lanes = deal(await reader.partitions([variable('TOPIC')]), Number(variable('LANES')), []);
await Promise.all(lanes.map((partitions) => runLane(reader, decode, partitions, stopping.signal)));
reader.close();
