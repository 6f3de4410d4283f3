import { randomUUID } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { createRegistryClient } from '../../adapters/registry/client.ts';
import { type AvroRecord, SCHEMAS } from '../../domain/schemas.ts';
import { testRegistry } from './lane-harness.ts';

const NO_SUCH_SCHEMA = 2_000_000_001;

/** A door to the real registry that remembers what was asked for, and can hide schemas as if they did not exist yet. */
export async function openRegistryDoor(): Promise<{ url: string; paths: string[]; hidden: Set<number> }> {
  const { hostname, port, pathname } = new URL(testRegistry().url);
  const paths: string[] = [];
  const hidden = new Set<number>();
  const door = createServer((incoming, response) => {
    const { method, headers, url = '' } = incoming;
    paths.push(url.slice(pathname.length));
    const path = url.replace(/(?<=\/schemas\/ids\/)\d+/u, (id) => String(hidden.has(Number(id)) ? NO_SUCH_SCHEMA : id));
    const onward = request({ hostname, port, path, method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(onward);
  });
  await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    door.closeAllConnections();
    door.close();
  });
  return { url: `http://127.0.0.1:${(door.address() as AddressInfo).port}${pathname}`, paths, hidden };
}

/** Registers a schema that nobody has, in which a lead is written just the same. @returns its id */
export function registerAnother(): Promise<number> {
  const schema: AvroRecord = { ...SCHEMAS.leads, doc: randomUUID() };
  return createRegistryClient(testRegistry()).register(`crm.leads.${randomUUID()}`, schema);
}
