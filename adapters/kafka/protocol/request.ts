import type { ProtocolRequest } from '../internals.ts';
import { WireReader, WireWriter } from './wire.ts';

/** Keys of the requests that we send ourselves. */
export const API = { Fetch: 1, ListOffsets: 2, Metadata: 3 } as const;

/** Milliseconds a broker may take to answer, beyond what it is asked to wait. */
export const ANSWER_TIMEOUT_MS = 10_000;

/** Builds a request for kafkajs's connections. `waitMs` is what the broker is asked to wait before it answers. */
export function protocolRequest<Answer extends { clientSideThrottleTime: number }>(
  apiName: keyof typeof API,
  apiVersion: number,
  write: (writer: WireWriter) => void,
  read: (reader: WireReader) => Answer,
  waitMs = 0,
): ProtocolRequest<Answer> {
  return {
    request: {
      apiKey: API[apiName],
      apiVersion,
      apiName,
      encode: async () => {
        const writer = new WireWriter();
        write(writer);
        const bytes = writer.bytes();
        return { buf: bytes, buffer: bytes };
      },
    },
    response: {
      decode: async (payload) => read(new WireReader(payload)),
      parse: async (decoded) => decoded,
    },
    requestTimeout: waitMs + ANSWER_TIMEOUT_MS,
  };
}
