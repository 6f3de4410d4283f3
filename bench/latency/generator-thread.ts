// The thread of a generator: reads the records of a lap, then sends them as it is told.
import { once } from 'node:events';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import kafkajs from 'kafkajs';
import { createKafka } from '../../adapters/kafka/client.ts';
import { createLogReader } from '../../adapters/kafka/reader.ts';
import type { GeneratorSettings, Order, Ready } from './generator-messages.ts';
import { readLap } from './lap.ts';
import { createSender } from './sender.ts';

const DAY_MS = 86_400_000;

async function main(
  port: MessagePort,
  { brokers, topics, mostRecords, firstLap = 0 }: GeneratorSettings,
): Promise<void> {
  const client = createKafka({ brokers, clientId: 'crm-bench-generator', ssl: false, sasl: null, log: () => {} });
  const reader = createLogReader(client);
  const lap = await readLap(reader, topics, mostRecords);
  const firstOffsets = (await reader.bounds(lap.streams)).map(({ end }) => end);
  reader.close();

  const producer = client.kafka.producer({
    allowAutoTopicCreation: false,
    metadataMaxAge: DAY_MS,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  // Looks the topics up. Later look-ups would let records overtake each other.
  await producer.sendBatch({ topicMessages: topics.map(({ to }) => ({ topic: to, messages: [] })) });
  const send = createSender(producer, lap, { firstOffsets, firstLap });
  const { streams, order, records } = lap;
  port.postMessage({
    lap: { streams, order },
    ids: records.map(({ id }) => id),
    firstOffsets,
    firstLap,
  } satisfies Ready);
  const [wanted] = (await once(port, 'message')) as [Order];
  const punctuality = await send(wanted);
  await producer.disconnect();
  port.postMessage(punctuality);
}

if (parentPort === null) throw new Error('this is the thread of a generator: run a suite of the benchmarks instead');
await main(parentPort, workerData as GeneratorSettings);
