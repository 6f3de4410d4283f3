import { describe, expect, it } from 'vitest';
import { RegistryUnavailableError } from '../../../activities/ports.ts';
import { parseSchema } from '../../../adapters/registry/avro-types.ts';
import type { SchemaAnswer } from '../../../adapters/registry/client.ts';
import { createDecoder } from '../../../adapters/registry/decoder.ts';
import { lead } from '../domain/sound.ts';
import { encodeAs, framed, schemaOf } from './writer.ts';

const VALUE = framed(1, encodeAs(schemaOf('leads'), lead()));
const DOWN = new RegistryUnavailableError('down');
const UNKNOWN: SchemaAnswer = { found: false, code: 'unknown_schema', detail: 'none' };
const FOUND: SchemaAnswer = { found: true, type: parseSchema(schemaOf('leads') as never) };

/** A decoder with a clock of ours, whose registry counts how often it is asked. */
function createSubject(answer: SchemaAnswer | Error) {
  const registry = { answer, asked: 0 };
  const clock = { now: 0 };
  const decoder = createDecoder(
    {
      async schemaById() {
        registry.asked += 1;
        if (registry.answer instanceof Error) throw registry.answer;
        return registry.answer;
      },
    },
    () => clock.now,
  );
  return { registry, clock, decoder };
}

describe('a schema that is known', () => {
  it('is asked for once, however many messages wait for it', async () => {
    const { registry, decoder } = createSubject(FOUND);
    const all = await Promise.all(Array.from({ length: 100 }, () => decoder.decode(VALUE)));
    expect(all.every(({ ok }) => ok)).toBe(true);
    expect(registry.asked).toBe(1);
  });

  it('is decoded with synchronously from then on', async () => {
    const { decoder } = createSubject(FOUND);
    expect(decoder.decode(VALUE)).toBeInstanceOf(Promise);
    await decoder.decode(VALUE);
    expect(decoder.decode(VALUE)).toMatchObject({ ok: true, schemaId: 1 });
  });

  it('goes on being decoded with while the registry is down', async () => {
    const { registry, decoder } = createSubject(FOUND);
    await decoder.decode(VALUE);
    registry.answer = DOWN;
    await expect(decoder.decode(framed(2, Buffer.alloc(0)))).rejects.toBe(DOWN);
    expect(decoder.decode(VALUE)).toMatchObject({ ok: true });
  });

  it('is remembered as incompatible, too', async () => {
    const { registry, clock, decoder } = createSubject({ found: true, type: parseSchema('string' as never) });
    await decoder.decode(VALUE);
    clock.now = 1e9;
    expect(decoder.decode(VALUE)).toMatchObject({ ok: false, rejection: { code: 'incompatible_schema' } });
    expect(registry.asked).toBe(1);
  });
});

describe('an id that the registry does not know', () => {
  it('is asked for again only after five seconds, since it may appear', async () => {
    const { registry, clock, decoder } = createSubject(UNKNOWN);
    expect(await decoder.decode(VALUE)).toMatchObject({ ok: false, rejection: { code: 'unknown_schema' } });
    clock.now = 4_999;
    expect(decoder.decode(VALUE)).toMatchObject({ ok: false, rejection: { code: 'unknown_schema' } });
    expect(registry.asked).toBe(1);
    registry.answer = FOUND;
    clock.now = 5_000;
    expect(await decoder.decode(VALUE)).toMatchObject({ ok: true });
    expect(registry.asked).toBe(2);
  });
});

it('ids that do not exist are not remembered without end', async () => {
  const { registry, decoder } = createSubject(UNKNOWN);
  const ids = Array.from({ length: 1_001 }, (_, index) => index + 1);
  for (const id of ids) await decoder.decode(framed(id, Buffer.alloc(0)));
  expect(decoder.decode(framed(1_001, Buffer.alloc(0)))).not.toBeInstanceOf(Promise);
  expect(registry.asked).toBe(1_001);
  await decoder.decode(framed(1, Buffer.alloc(0)));
  expect(registry.asked).toBe(1_002);
});

describe('a registry that is down', () => {
  it('is left in peace for a second, for whatever id', async () => {
    const { registry, clock, decoder } = createSubject(DOWN);
    await expect(decoder.decode(VALUE)).rejects.toBe(DOWN);
    clock.now = 999;
    expect(() => decoder.decode(VALUE)).toThrow(DOWN);
    expect(() => decoder.decode(framed(2, Buffer.alloc(0)))).toThrow(DOWN);
    expect(registry.asked).toBe(1);
  });

  it('is asked again after that, and nothing was lost', async () => {
    const { registry, clock, decoder } = createSubject(DOWN);
    await expect(decoder.decode(VALUE)).rejects.toBe(DOWN);
    registry.answer = FOUND;
    clock.now = 1_000;
    expect(await decoder.decode(VALUE)).toMatchObject({ ok: true, event: lead() });
  });
});
