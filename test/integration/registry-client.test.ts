import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { RegistryUnavailableError } from '../../activities/ports.ts';
import type { RegistryOptions } from '../../adapters/registry/client.ts';
import { createEventDecoder, pingRegistry, registerSchemas } from '../../adapters/registry/index.ts';
import { SCHEMAS } from '../../domain/schemas.ts';
import { testRegistry } from '../helpers/lane-harness.ts';
import { lead } from '../unit/domain/sound.ts';
import { encodeAs, framed, schemaOf, withDataFields, without } from '../unit/registry/writer.ts';
import { closedPort, openRelay } from './api-relay.ts';

const PASSWORD = 'the-secret-of-the-registry';

function registry(over: Partial<RegistryOptions> = {}): RegistryOptions {
  return { ...testRegistry(), ...over };
}

function topicsOf(suffix: string) {
  return {
    events: `crm.events.${suffix}`,
    leads: `crm.leads.${suffix}`,
    contacts: `crm.contacts.${suffix}`,
    opportunities: `crm.opportunities.${suffix}`,
  };
}

/** Registers as somebody else's producer does. @returns the schema's id */
async function post(subject: string, body: object): Promise<number> {
  const response = await fetch(`${registry().url}/subjects/${subject}/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${subject}: ${response.status} ${await response.text()}`);
  return ((await response.json()) as { id: number }).id;
}

async function failureOf(attempt: () => unknown): Promise<Error> {
  try {
    await attempt();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  expect.fail('it did not fail');
}

/** A door before the registry, or something else entirely. @returns its URL */
async function serve(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A door to the real registry, for what is not dealt with at the door. @returns its URL */
async function through(isDealtWith: (incoming: IncomingMessage, response: ServerResponse) => boolean): Promise<string> {
  const { hostname, port, pathname } = new URL(registry().url);
  const url = await serve((incoming, response) => {
    if (isDealtWith(incoming, response)) return;
    const { method, headers, url: path } = incoming;
    const onward = request({ hostname, port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(onward);
  });
  return `${url}${pathname}`;
}

/** A door to the real registry that breaks connections instead of passing the answers of these POSTs on, from 1. */
function losing(answers: readonly number[]): Promise<string> {
  let posts = 0;
  return through(({ method, socket }, response) => {
    if (method === 'POST') posts += 1;
    if (method === 'POST' && answers.includes(posts)) response.once('pipe', () => socket.destroy());
    return false;
  });
}

const JSON_SCHEMA = '{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{}}';

const SOUND = encodeAs(schemaOf('leads'), lead());

describe('registering', () => {
  it('the same schemas again gives the same ids, and messages with them are decoded', async () => {
    const topics = topicsOf(randomUUID());
    const ids = await registerSchemas(registry(), topics);
    expect(await registerSchemas(registry(), topics)).toEqual(ids);
    expect(new Set(Object.values(ids)).size).toBe(4);
    expect(await createEventDecoder(registry()).decode(framed(ids.leads, SOUND))).toEqual({
      ok: true,
      event: lead(),
      schemaId: ids.leads,
    });
  });

  it('leaves a subject alone that moved on', async () => {
    const topics = topicsOf(randomUUID());
    const ids = await registerSchemas(registry(), topics);
    const newer = withDataFields('leads', (fields) => [
      ...fields,
      { name: 'region', type: ['null', 'string'], default: null },
    ]);
    const newerId = await post(`${topics.leads}-value`, { schema: JSON.stringify(newer) });
    expect(newerId).not.toBe(ids.leads);
    expect(await registerSchemas(registry(), topics)).toEqual(ids);
  });

  it('a subject under other rules is not touched, and the reason says what to look at', async () => {
    const topics = topicsOf(randomUUID());
    await post(`${topics.events}-value`, { schema: '"string"' });
    await fetch(`${registry().url}/config/${topics.events}-value`, {
      method: 'PUT',
      headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
      body: '{"compatibility":"FULL"}',
    });
    await expect(registerSchemas(registry(), topics)).rejects.toThrow(
      `refused the schema of ${topics.events}-value (ConfluentSchemaRegistryCompatibilityError): see whether`,
    );
  });

  it('an answer that is lost, that it has the schema, is asked for again at once', async () => {
    const topics = topicsOf(randomUUID());
    const ids = await registerSchemas(registry(), topics);
    expect(await registerSchemas(registry({ url: await losing([1]) }), topics)).toEqual(ids);
  });

  it('an answer that is lost, that it took the schema, is asked for again at once', async () => {
    const topics = topicsOf(randomUUID());
    const ids = await registerSchemas(registry({ url: await losing([2]) }), topics);
    expect(await registerSchemas(registry(), topics)).toEqual(ids);
  });

  it('answers that are lost again and again are no refusal of the schema', async () => {
    const url = await losing([1, 2]);
    await expect(registerSchemas(registry({ url }), topicsOf(randomUUID()))).rejects.toThrow(RegistryUnavailableError);
  });

  it('a registry that is away says so', async () => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    await expect(registerSchemas(registry({ url }), topicsOf('away'))).rejects.toThrow(RegistryUnavailableError);
  });
});

describe('schemas of other writers', () => {
  it('an id that nobody registered is unknown', async () => {
    expect(await createEventDecoder(registry()).decode(framed(2_000_000_000, SOUND))).toMatchObject({
      ok: false,
      rejection: { code: 'unknown_schema', detail: 'the registry has no schema with id 2000000000' },
    });
  });

  it('one that is not Avro is incompatible', async () => {
    const id = await post(`json-${randomUUID()}`, { schemaType: 'JSON', schema: JSON_SCHEMA });
    expect(await createEventDecoder(registry()).decode(framed(id, SOUND))).toMatchObject({
      ok: false,
      rejection: { code: 'incompatible_schema' },
    });
  });

  it('one that lacks a required field is incompatible, and the reason names it', async () => {
    const schema = JSON.stringify(withDataFields('leads', without('email')));
    const id = await post(`older-${randomUUID()}`, { schema });
    expect(await createEventDecoder(registry()).decode(framed(id, SOUND))).toMatchObject({
      ok: false,
      rejection: { code: 'incompatible_schema', detail: "data.email: required, but not in the message's schema" },
    });
  });

  it('one that refers to the schema of another subject is read like any other', async () => {
    const part = `part-${randomUUID()}`;
    await post(part, { schema: JSON.stringify(SCHEMAS.leads.fields.find(({ name }) => name === 'data')?.type) });
    const whole = schemaOf('leads');
    const fields = whole.fields.map((field) =>
      field.name === 'data' ? { ...field, type: 'crm.events.CRMLead' } : field,
    );
    const id = await post(`whole-${randomUUID()}`, {
      schema: JSON.stringify({ ...whole, fields }),
      references: [{ name: 'crm.events.CRMLead', subject: part, version: 1 }],
    });
    expect(await createEventDecoder(registry()).decode(framed(id, SOUND))).toMatchObject({ ok: true, event: lead() });
  });
});

describe('what is no answer of a registry never condemns a message', () => {
  it.each<[string, string, (request: IncomingMessage, response: ServerResponse) => void]>([
    ['an error of the server', 'answers with an error (500)', (_, response) => response.writeHead(500).end('{}')],
    ['a page for every path', 'check the path', (_, response) => response.writeHead(200).end('<html>Log in</html>')],
    ['no page for any path', 'check the path', (_, response) => response.writeHead(404).end('{"message":"no"}')],
    ['a refusal', 'SCHEMA_REGISTRY_PASSWORD', (_, response) => response.writeHead(401).end('{}')],
    ['a connection that breaks', 'ECONNRESET', (incoming) => incoming.socket.destroy()],
    ['silence', 'timeout', () => {}],
  ])('%s', async (_, reason, handle) => {
    const url = (await serve(handle)).replace('//', `//someone:${PASSWORD}@`);
    const options = registry({ url, auth: { username: 'someone', password: PASSWORD }, timeoutMs: 300 });
    const errors = await Promise.all([
      failureOf(() => createEventDecoder(options).decode(framed(1, SOUND))),
      failureOf(() => pingRegistry(options)),
    ]);
    for (const error of errors) {
      expect(error).toBeInstanceOf(RegistryUnavailableError);
      expect(error.message).toContain(reason);
      expect(error.message).not.toContain(PASSWORD);
    }
  });

  it.each([
    ['once is asked again at once', 1],
    ['again and again is trouble', 2],
  ])('a connection that breaks while others are answered: %s', async (_, breaks) => {
    const ids = await registerSchemas(registry(), topicsOf(randomUUID()));
    let left = breaks;
    const url = await through(({ url = '', socket }) => {
      const isBroken = url.includes('/schemas/ids/') && left-- > 0;
      if (isBroken) socket.destroy();
      return isBroken;
    });
    const decoding = createEventDecoder(registry({ url })).decode(framed(ids.leads, SOUND));
    if (breaks === 1) await expect(decoding).resolves.toMatchObject({ ok: true });
    else await expect(decoding).rejects.toThrow(`did not say what schema ${ids.leads} is (status 400)`);
    expect(left).toBeLessThanOrEqual(0);
  });

  it('nor does the registry under a wrong path', async () => {
    const url = new URL('/apis/elsewhere', registry().url).href;
    await expect(createEventDecoder(registry({ url })).decode(framed(1, SOUND))).rejects.toThrow('check the path');
  });
});

describe('with authentication', () => {
  const guarded = () =>
    through(({ headers }, response) => {
      if (headers.authorization === `Basic ${Buffer.from(`reader:${PASSWORD}`).toString('base64')}`) return false;
      response.writeHead(401).end('{"error_code":401,"message":"Unauthorized"}');
      return true;
    });

  it('the right password registers and decodes', async () => {
    const options = registry({ url: await guarded(), auth: { username: 'reader', password: PASSWORD } });
    const ids = await registerSchemas(options, topicsOf(randomUUID()));
    expect(await createEventDecoder(options).decode(framed(ids.leads, SOUND))).toMatchObject({ ok: true });
    expect(await pingRegistry(options)).toBeGreaterThan(0);
  });

  it('a wrong one is a reason to wait, not to give messages up', async () => {
    const options = registry({ url: await guarded(), auth: { username: 'reader', password: 'wrong' } });
    await expect(createEventDecoder(options).decode(framed(1, SOUND))).rejects.toThrow(
      'refuses us (401): check SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD',
    );
  });
});

it('a registry that goes away and comes back is asked again, and known schemas go on meanwhile', async () => {
  const ids = await registerSchemas(registry(), topicsOf(randomUUID()));
  const { hostname, port, pathname } = new URL(registry().url);
  const real = { host: hostname, port: Number(port) };
  const relay = await openRelay(real);
  const decoder = createEventDecoder(registry({ url: `http://127.0.0.1:${relay.port}${pathname}` }));
  const decodeLead = async () => decoder.decode(framed(ids.leads, SOUND));
  const decodeEvent = async () => decoder.decode(framed(ids.events, Buffer.alloc(0)));
  await decodeLead();

  await relay.shut();
  await expect(decodeEvent()).rejects.toThrow(RegistryUnavailableError);
  expect(await decodeLead()).toMatchObject({ ok: true });

  const back = await openRelay(real, relay.port);
  onTestFinished(() => back.shut());
  await vi.waitFor(async () => expect(await decodeEvent()).toMatchObject({ schemaId: ids.events }), {
    timeout: 10_000,
  });
});
