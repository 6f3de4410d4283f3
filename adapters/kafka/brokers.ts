import type { Logger } from 'kafkajs';
import { explainRefusal, suspectRefusal } from '../../platform/tls-explain.ts';
import { type Broker, type ConnectionSettings, createBroker, type ProtocolRequest } from './internals.ts';
import { FETCH_BY_ID, FETCH_BY_NAME, type FetchAnswer, type FetchRequest, fetchRequest } from './protocol/fetch.ts';
import { EARLIEST, LATEST, type ListedOffset, listOffsetsRequest } from './protocol/list-offsets.ts';
import { type ClusterMetadata, METADATA_VERSION, metadataRequest, NO_TOPIC_ID } from './protocol/metadata.ts';
import { API } from './protocol/request.ts';
import { socketFactory } from './sockets.ts';

export interface Address {
  host: string;
  port: number;
}

/** No broker could be asked, or the one that must answer did not. */
export class BrokerUnreachableError extends Error {
  override readonly name = 'BrokerUnreachableError';
}

/** Connections to the brokers of a cluster. Requests fail at once or answer; waiting and trying again is the caller's. */
export interface Brokers {
  /**
   * Asks any broker; others are asked where one does not answer.
   * @throws BrokerUnreachableError when none answers
   */
  metadata(topics: readonly string[]): Promise<ClusterMetadata>;
  /**
   * @param which milliseconds since the epoch for the first record of that time or later
   * @throws BrokerUnreachableError
   */
  listOffsets(
    nodeId: number,
    partitions: ReadonlyArray<{ topic: string; partition: number }>,
    which: 'earliest' | 'latest' | number,
  ): Promise<ListedOffset[]>;
  /**
   * The answer names topics. Fetch requests have a connection of their own: one that waits at the broker delays no other
   * request.
   * @throws BrokerUnreachableError
   */
  fetch(nodeId: number, request: Omit<FetchRequest, 'version'>): Promise<FetchAnswer>;
  /** Gives up all connections at once; requests under way fail. */
  close(): void;
}

type Settings = Omit<ConnectionSettings, 'host' | 'port' | 'socketFactory'>;

interface Link {
  address: Address;
  broker: Broker;
  abandon: AbortController;
}

/** @param options.seeds the configured brokers, asked for the others */
export function openBrokers(options: { seeds: readonly Address[]; settings: Settings; logger: Logger }): Brokers {
  const links = new Map<string, Link>();
  let nodes: ReadonlyMap<number, Address> = new Map();
  let closed = false;

  function linkTo(address: Address): Link {
    if (closed) throw new BrokerUnreachableError('the connections to Kafka are closed');
    const key = keyOf(address);
    const existing = links.get(key);
    if (existing !== undefined) return existing;
    const abandon = new AbortController();
    const connection = { ...options.settings, ...address, socketFactory: socketFactory(abandon.signal) };
    const link = { address, abandon, broker: createBroker(connection, options.logger) };
    links.set(key, link);
    return link;
  }

  function drop(link: Link): void {
    const key = keyOf(link.address);
    if (links.get(key) === link) links.delete(key);
    link.abandon.abort();
  }

  /** A connection on which a request failed is not used again: what it still carries is unknown. */
  async function ask<Answer extends { clientSideThrottleTime: number }>(
    address: Address,
    request: (broker: Broker) => ProtocolRequest<Answer>,
  ): Promise<Answer> {
    const link = linkTo(address);
    try {
      const { broker } = link;
      if (!broker.isConnected()) await broker.connect();
      return await broker.connectionPool.send(request(broker));
    } catch (error) {
      drop(link);
      const reason = error instanceof Error ? error.message : 'unknown error';
      const advice = explainRefusal('kafka', error) ?? suspectRefusal('kafka', error);
      throw new BrokerUnreachableError(`broker ${keyOf(address)}: ${advice ?? reason}`, { cause: error });
    }
  }

  function addressOf(nodeId: number): Address {
    const address = nodes.get(nodeId);
    if (address === undefined) throw new BrokerUnreachableError(`broker ${nodeId} is not in the cluster any more`);
    return address;
  }

  async function metadata(topics: readonly string[]): Promise<ClusterMetadata> {
    const failures: Error[] = [];
    const candidates = [...nodes.values(), ...options.seeds].map((address) => [keyOf(address), address] as const);
    for (const address of new Map(candidates).values()) {
      try {
        const answer = await ask(address, (broker) => {
          requireVersion(broker, 'Metadata', METADATA_VERSION, '2.8');
          return metadataRequest(topics);
        });
        nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
        return answer;
      } catch (error) {
        if (closed || !(error instanceof BrokerUnreachableError)) throw error;
        failures.push(error);
      }
    }
    throw new BrokerUnreachableError(failures.map(({ message }) => message).join('; '), { cause: failures[0] });
  }

  return {
    metadata,

    async listOffsets(nodeId, partitions, which) {
      const timestamp = typeof which === 'number' ? which : which === 'earliest' ? EARLIEST : LATEST;
      const request = listOffsetsRequest(partitions, timestamp);
      return (await ask(addressOf(nodeId), () => request)).offsets;
    },

    async fetch(nodeId, request) {
      const names = new Map(request.partitions.map(({ topic, topicId }) => [topicId, topic]));
      const idsKnown = !names.has(NO_TOPIC_ID);
      const answer = await ask(addressOf(nodeId), (broker) => {
        requireVersion(broker, 'Fetch', FETCH_BY_NAME, '2.8');
        const byId = idsKnown && maxVersion(broker, 'Fetch') >= FETCH_BY_ID;
        return fetchRequest({ ...request, version: byId ? FETCH_BY_ID : FETCH_BY_NAME });
      });
      const named = answer.partitions.map((fetched) => ({
        ...fetched,
        topic: names.get(fetched.topic) ?? fetched.topic,
      }));
      return { ...answer, partitions: named };
    },

    close() {
      closed = true;
      for (const link of [...links.values()]) drop(link);
    },
  };
}

const keyOf = ({ host, port }: Address): string => `${host}:${port}`;

const maxVersion = (broker: Broker, api: keyof typeof API): number => broker.versions?.[API[api]]?.maxVersion ?? -1;

function requireVersion(broker: Broker, api: keyof typeof API, version: number, release: string): void {
  if (maxVersion(broker, api) < version)
    throw new Error(`it is older than Kafka ${release}, which is the oldest we can read`);
}
