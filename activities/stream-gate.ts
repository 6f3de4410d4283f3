/**
 * Decides which records of a batch have to wait in Kafka: those whose schema the registry does not know, and those of a
 * stream whose circuit breaker tripped. Everything else of the partition goes on.
 */
import { type Breaker, type BreakerPolicy, createBreaker } from '../domain/breaker.ts';
import { statusOf } from '../domain/failures.ts';
import { isFileTopic } from './file-ports.ts';
import type { BatchPart } from './ingest.ts';
import type { Batch, Delivery, LaneObserver } from './ports.ts';
import type { StreamId, StreamState, Streams } from './stream-ports.ts';

export interface StreamGateDeps {
  streams: Pick<Streams, 'states' | 'move'>;
  observer: Pick<LaneObserver, 'incident'>;
  policy: BreakerPolicy;
  /** Milliseconds of a clock that never goes back. */
  now(): number;
}

export interface StreamGate {
  /** Learns what other lanes and people decided, at most every two seconds. @throws WriteError */
  refresh(): Promise<void>;
  /** Turns the deliveries of a batch, or a part of it, that have to wait into parked ones. Part of the hot path: no promise. */
  judge(batch: BatchPart): void;
  /** Makes known what `judge` decided; before the batch is written. Safe to call again. @throws WriteError */
  announce(): Promise<void>;
}

const REFRESH_MS = 2_000;
/** Forged schema ids must fill neither the memory nor the tables: beyond so many of one topic none is treated apart. */
const MOST_OF_TOPIC = 1_000;

interface Stream extends StreamId {
  state: StreamState;
  breaker: Breaker;
}

export function createStreamGate({ streams, observer, policy, now }: StreamGateDeps): StreamGate {
  const known = new Map<string, Map<number, Stream>>();
  const decided: Array<{ stream: Stream; to: StreamState; from: StreamState[]; reason: string }> = [];
  let refreshedAt = Number.NEGATIVE_INFINITY;

  function streamOf(topic: string, schemaId: number): Stream {
    let ofTopic = known.get(topic);
    if (ofTopic === undefined) {
      ofTopic = new Map();
      known.set(topic, ofTopic);
    }
    let stream = ofTopic.get(schemaId);
    if (stream === undefined && ofTopic.size >= MOST_OF_TOPIC) {
      return { topic, schemaId, state: 'let_through', breaker: createBreaker(policy) };
    }
    if (stream === undefined) {
      stream = { topic, schemaId, state: 'flowing', breaker: createBreaker(policy) };
      ofTopic.set(schemaId, stream);
    }
    return stream;
  }

  function change(stream: Stream, to: StreamState, from: StreamState[], reason: string): void {
    stream.state = to;
    decided.push({ stream, to, from, reason });
  }

  /** Whether a delivery that is checked already has to wait, and why. */
  function parkReason(stream: Stream, delivery: Delivery, at: number) {
    if (stream.state === 'tripped') {
      return 'tripped';
    }
    if (stream.state === 'let_through') {
      return null;
    }
    if (delivery.kind !== 'rejected') {
      stream.breaker.record(false, at);
      return null;
    }
    const { code } = delivery.rejection;
    if (code === 'unknown_schema') {
      if (stream.state === 'flowing') {
        change(stream, 'schema_unknown', ['flowing'], `the registry has no schema with id ${stream.schemaId}`);
      }
      return 'schema_unknown';
    }
    if (stream.breaker.record(statusOf(code) === 'dead', at)) {
      const { events, failed } = stream.breaker.recent();
      const reason = `${failed} of the last ${events} events failed for good, the last one by ${code}`;
      change(stream, 'tripped', ['flowing', 'schema_unknown'], reason);
      return 'tripped';
    }
    return null;
  }

  return {
    async refresh() {
      const at = now();
      if (at - refreshedAt < REFRESH_MS) {
        return;
      }
      const apart = await streams.states();
      refreshedAt = at;
      const states = new Map(apart.map(({ topic, schemaId, state }) => [`${schemaId} ${topic}`, state]));
      for (const { topic, schemaId } of apart) {
        streamOf(topic, schemaId);
      }
      for (const [topic, ofTopic] of known) {
        for (const [schemaId, stream] of ofTopic) {
          const state = states.get(`${schemaId} ${topic}`) ?? 'flowing';
          if (stream.state === 'tripped' && state !== 'tripped') {
            stream.breaker = createBreaker(policy);
          }
          stream.state = state;
        }
      }
    },

    judge(batch) {
      const at = now();
      let stream: Stream | null = null;
      for (let index = 0; index < batch.deliveries.length; index += 1) {
        const delivery = batch.deliveries[index] as Delivery;
        if (delivery.kind === 'tombstone' || delivery.kind === 'parked') {
          continue;
        }
        const { topic } = (batch.slices[delivery.slice] as Batch['slices'][number]).range;
        // Nothing of a file can wait in Kafka: its bad lines are failed events, however many there are.
        if (isFileTopic(topic)) {
          continue;
        }
        const schemaId = Math.max(0, delivery.schemaId ?? 0);
        if (stream === null || stream.schemaId !== schemaId || stream.topic !== topic) {
          stream = streamOf(topic, schemaId);
        }
        const reason = parkReason(stream, delivery, at);
        if (reason !== null) {
          batch.deliveries[index] = {
            kind: 'parked',
            slice: delivery.slice,
            record: delivery.record,
            reason,
            schemaId,
          };
        }
      }
    },

    async announce() {
      for (;;) {
        const [next] = decided;
        if (next === undefined) {
          return;
        }
        const { stream, to, from, reason } = next;
        const { topic, schemaId } = stream;
        if (await streams.move({ topic, schemaId }, to, { from, reason, who: null })) {
          observer.incident(`stream_${to}`, { topic, schemaId, reason });
        }
        decided.shift();
      }
    },
  };
}
