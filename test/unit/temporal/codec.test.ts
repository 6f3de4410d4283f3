import { randomBytes } from 'node:crypto';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { createPayloadCodec, dataConverterOf } from '../../../adapters/temporal/codec.ts';
import { keyRingOf } from '../../../platform/key-ring.ts';

const key = (id: string) => `${id} ${randomBytes(32).toString('base64')}`;
const [FIRST, SECOND] = [key('first'), key('second')];
const codecOf = (ring: string) => createPayloadCodec(keyRingOf(ring));
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const text = (payload: Payload | undefined) =>
  JSON.stringify(payload?.metadata, (_, value) =>
    value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value,
  ) + Buffer.from(payload?.data ?? []).toString('latin1');

describe('payloads', () => {
  it.each([{ email: 'ada@example.com' }, null, undefined, 7, 'text', '', new Uint8Array([1, 2, 3])])(
    'come back as they were: %o',
    async (value) => {
      const codec = codecOf(FIRST);
      const decoded = await codec.decode(await codec.encode([payloadOf(value), payloadOf('other')]));
      expect(decoded.map((payload) => defaultPayloadConverter.fromPayload(payload))).toEqual([value, 'other']);
    },
  );

  it('without data come back without', async () => {
    const codec = codecOf(FIRST);
    const [decoded] = await codec.decode(await codec.encode([Object.assign(payloadOf(undefined), { data: [] })]));
    expect(defaultPayloadConverter.fromPayload(decoded!)).toBeUndefined();
  });

  it('say nothing but which key they take', async () => {
    const [encoded] = await codecOf(FIRST).encode([payloadOf({ email: 'ada@example.com' })]);
    expect(text(encoded)).toContain('first');
    expect(text(encoded)).not.toContain('ada');
    expect(text(encoded)).not.toContain('json/plain');
  });

  it('from before there were keys are read as they are', async () => {
    const plain = payloadOf({ phase: 'running' });
    expect(await codecOf(FIRST).decode([plain])).toEqual([plain]);
  });

  it('of an older key are read, and written with the current one', async () => {
    const old = await codecOf(FIRST).encode([payloadOf('x')]);
    const codec = codecOf(`${SECOND}\n${FIRST}`);
    expect(defaultPayloadConverter.fromPayload((await codec.decode(old))[0]!)).toBe('x');
    expect(text((await codec.encode([payloadOf('x')]))[0])).toContain('second');
  });

  it('of a key that is missing are told by its name', async () => {
    const old = await codecOf(FIRST).encode([payloadOf('x')]);
    await expect(codecOf(SECOND).decode(old)).rejects.toThrow('key "first" of a payload is not configured');
  });

  it('are not read where they were changed', async () => {
    const [encoded] = await codecOf(FIRST).encode([payloadOf('x')]);
    const data = Buffer.from(encoded!.data!);
    data.writeUInt8(data.readUInt8(30) ^ 1, 30);
    await expect(codecOf(FIRST).decode([{ ...encoded!, data }])).rejects.toThrow('changed');
  });
});

it('without keys there is no codec', () => {
  expect(dataConverterOf(null)).toEqual({});
});
