/** Schemas that somebody made to reach another server, or to change what objects are. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { compileAvro } from '../../adapters/registry/avro-files.ts';
import { createRegistryClient } from '../../adapters/registry/client.ts';
import { lead } from '../unit/domain/sound.ts';
import { decoderOf, encodeAs, framed, schemaOf, withFields } from '../unit/registry/writer.ts';

const cleanUps: Array<() => unknown> = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** A registry that answers with one schema to whatever it is asked, and keeps in mind what that was. */
async function registryOf(answer: object) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.headers.host ?? ''}${request.url ?? ''}`);
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url?.endsWith('/schemas/types') ? ['AVRO'] : answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUps.push(() => server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a port was expected');
  return { asked, host: `127.0.0.1:${address.port}` };
}

const PLAIN = { type: 'record', name: 'A', fields: [] };

describe('a schema of the registry', () => {
  it.each([
    ['a reference to an address', { name: 'http://127.0.0.1:1/a', subject: 'http://127.0.0.1:1/a', version: 1 }],
    ['a reference out of the path', { name: 'a', subject: '../../admin', version: 1 }],
    ['a reference with a query', { name: 'a', subject: 'a?b=c#d', version: 1 }],
    ['a file', { name: 'a', subject: 'file:///etc/passwd', version: 1 }],
  ])('with %s makes us ask nobody but the registry, below its path', async (_, reference) => {
    // Once its references are read, it has none of its own.
    const { asked, host } = await registryOf({ schema: JSON.stringify(PLAIN), references: [reference] });
    const client = createRegistryClient({ url: `http://${host}/base`, auth: null, ca: null, timeoutMs: 2_000 });
    await client.schemaById(7).catch(() => {});
    expect(asked.length).toBeGreaterThan(0);
    for (const url of asked) {
      expect(url.startsWith(`${host}/base/`), url).toBe(true);
      expect(url).not.toMatch(/\.\.\/|\?b=|#d/u);
    }
  });

  it.each(['http://127.0.0.1:1/', '__proto__', 'constructor', 'a b', '', '../a'])(
    'of the type %j is none that is followed',
    async (type) => {
      const { asked, host } = await registryOf({ schema: JSON.stringify({ type }), id: 7 });
      const client = createRegistryClient({ url: `http://${host}`, auth: null, ca: null, timeoutMs: 2_000 });
      expect(await client.schemaById(7)).toMatchObject({ found: false, code: 'incompatible_schema' });
      for (const url of asked) expect(url.startsWith(`${host}/`), url).toBe(true);
    },
  );
});

const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'valueOf'];

describe('a field that has the name of what all objects have', () => {
  it.each(NAMES)('%s, beside ours, is read over', async (name) => {
    const extra = { name, type: { type: 'map', values: 'string' } };
    const schema = withFields(schemaOf('leads'), (fields) => [...fields, extra]);
    const decode = await decoderOf(schema);
    // A map with one entry, named like the field.
    const entry = Buffer.concat([Buffer.from([2, name.length * 2]), Buffer.from(name), Buffer.from([2, 0x78, 0])]);
    const value = framed(1, Buffer.concat([encodeAs(schemaOf('leads'), lead()), entry]));
    const decoded = await decode(value);
    expect(decoded).toMatchObject({ ok: true, event: { eventId: lead().eventId } });
    if (decoded.ok) expect(Object.keys(decoded.event)).not.toContain(name);
    expect(Object.hasOwn(Object.prototype, 'x')).toBe(false);
  });

  it.each(NAMES)('%s, as the name of a type, is read over or refused, and changes nothing', async (name) => {
    const symbols = { type: 'enum', name: `E${name}`, symbols: [name] };
    const named = { type: 'record', name, fields: [{ name: 'a', type: symbols }] };
    const schema = withFields(schemaOf('leads'), (fields) => [...fields, { name: 'extra', type: named }]);
    const before = Object.getOwnPropertyNames(Object.prototype);
    const compiled = compileAvro(schema);
    if (typeof compiled !== 'function') expect(compiled).toEqual({ problem: 'it is no schema of Avro' });
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
    expect(compileAvro(schemaOf('leads'))).toBeTypeOf('function');
  });
});
