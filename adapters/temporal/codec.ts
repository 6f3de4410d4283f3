/**
 * Encrypts every payload that enters a history: inputs, results, signals, updates, heartbeats, memos. Each is bound to the
 * name of its key. What was written before there were keys is read as it is, so that histories may be mixed.
 */
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import { type KeyRing, keyRingOf } from '../../platform/key-ring.ts';
import { decrypt, encrypt } from '../../platform/sealing.ts';

/** As the codecs of other products name it. */
const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const LENGTH_BYTES = 4;

/**
 * What clients and workers convert payloads with.
 * @param keys text of a key ring, null to leave payloads as they are
 */
export function dataConverterOf(keys: string | null): DataConverter {
  return keys === null ? {} : { payloadCodecs: [createPayloadCodec(keyRingOf(keys))] };
}

export function createPayloadCodec({ current, all }: KeyRing): PayloadCodec {
  function encoded(payload: Payload): Payload {
    return {
      metadata: { encoding: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(current.id) },
      data: encrypt(current.key, pack(payload), placeOf(current.id)),
    };
  }

  function decoded(payload: Payload): Payload {
    if (textOf(payload.metadata?.encoding) !== ENCODING) return payload;
    const keyId = textOf(payload.metadata?.[KEY_ID]);
    const found = all.get(keyId);
    if (found === undefined) {
      throw new Error(`key "${keyId}" of a payload is not configured: add it to TEMPORAL_CODEC_KEYS`);
    }
    return unpack(decrypt(found.key, Buffer.from(payload.data ?? []), placeOf(keyId)));
  }

  return {
    encode: async (payloads) => payloads.map(encoded),
    decode: async (payloads) => payloads.map(decoded),
  };
}

const placeOf = (keyId: string) => `temporal payload under ${keyId}`;

function textOf(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? []).toString();
}

/** The length of the metadata, the metadata as JSON with values in base64, and the data. */
function pack({ metadata, data }: Payload): Buffer {
  const entries = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]);
  const head = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32BE(head.length);
  // Without data it may be an empty array, as protobufjs has it.
  return Buffer.concat([length, head, Buffer.from(data ?? [])]);
}

function unpack(packed: Buffer): Payload {
  const dataAt = LENGTH_BYTES + packed.readUInt32BE(0);
  // Written by `pack` alone, and authentic.
  const head = JSON.parse(packed.toString('utf8', LENGTH_BYTES, dataAt)) as Record<string, string>;
  const metadata = Object.entries(head).map(([name, value]) => [name, Buffer.from(value, 'base64')]);
  return { metadata: Object.fromEntries(metadata), data: packed.subarray(dataAt) };
}
