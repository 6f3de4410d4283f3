/**
 * The only place that reaches below kafkajs's public API. kafkajs offers reading through a consumer group alone: a
 * join for every reader, positions that are reset silently when out of range, batches of aborted records that never
 * show, a stop that waits for the fetch under way. Its connections (SASL, TLS, throttling, timeouts) are sound, so we
 * send our own Metadata, ListOffsets and Fetch requests over them. The version of kafkajs is pinned exactly (2.2.4, the
 * last there will be), and the types below are what its sources do.
 */
import { createRequire } from 'node:module';
import type { ConnectionOptions } from 'node:tls';
import type { ISocketFactory, Logger, SASLOptions } from 'kafkajs';

const require = createRequire(import.meta.url);

/** The body of a request after the header that kafkajs writes. */
export interface EncodedBody {
  buf: Buffer;
  buffer: Buffer;
}

/** A request with the decoder of its answer. kafkajs logs what `decode` returns at debug level unless `apiName` is Fetch. */
export interface ProtocolRequest<Answer extends { clientSideThrottleTime: number }> {
  request: { apiKey: number; apiVersion: number; apiName: string; encode(): Promise<EncodedBody> };
  response: { decode(payload: Buffer): Promise<Answer>; parse(decoded: Answer): Promise<Answer> };
  /** Milliseconds; the connection's own timeout holds where that is longer. */
  requestTimeout: number;
}

export interface ConnectionPool {
  /** Opens and authenticates the connection when needed. Fetch requests have a connection of their own. */
  send<Answer extends { clientSideThrottleTime: number }>(request: ProtocolRequest<Answer>): Promise<Answer>;
}

export interface Broker {
  /** What the broker speaks, by API key; null before `connect`. */
  readonly versions: Readonly<Record<number, { minVersion: number; maxVersion: number }>> | null;
  readonly connectionPool: ConnectionPool;
  isConnected(): boolean;
  connect(): Promise<void>;
}

export interface ConnectionSettings {
  host: string;
  port: number;
  ssl: ConnectionOptions | null;
  sasl: SASLOptions | null;
  clientId: string;
  socketFactory: ISocketFactory;
  /** All in milliseconds. */
  connectionTimeout: number;
  requestTimeout: number;
  authenticationTimeout: number;
}

interface BrokerInternals {
  connectionPool: ConnectionPool;
  logger: Logger;
  authenticationTimeout: number;
  allowAutoTopicCreation: boolean;
}
const BrokerClass = require('kafkajs/src/broker') as new (options: BrokerInternals) => Broker;
const ConnectionPoolClass = require('kafkajs/src/network/connectionPool') as new (
  options: Omit<ConnectionSettings, 'authenticationTimeout'> & { logger: Logger },
) => ConnectionPool;

/** A broker at this address; connects with its first use. */
export function createBroker({ authenticationTimeout, ...settings }: ConnectionSettings, logger: Logger): Broker {
  return new BrokerClass({
    connectionPool: new ConnectionPoolClass({ ...settings, logger }),
    logger,
    authenticationTimeout,
    allowAutoTopicCreation: false,
  });
}

interface RequestQueue {
  pending: unknown[];
  throttledUntil: number;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  checkPendingRequests(): void;
}
const { prototype: requestQueue } = require('kafkajs/src/network/requestQueue') as {
  prototype: { scheduleCheckPendingRequests(this: RequestQueue): void };
};

const PENDING_CHECK_MS = 10;

/**
 * kafkajs starts a timer of minus the current time after each response when nothing is throttled, for which Node 24
 * prints a TimeoutNegativeWarning. This one starts a timer only when a request waits.
 */
requestQueue.scheduleCheckPendingRequests = function scheduleCheckPendingRequests() {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) return;
  const delay = Math.max(this.throttledUntil - Date.now(), PENDING_CHECK_MS);
  this.throttleCheckTimeoutId = setTimeout(() => {
    this.throttleCheckTimeoutId = null;
    this.checkPendingRequests();
  }, delay);
};
