import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { createRegistryClient } from '../../adapters/registry/client.ts';
import { createDecoder } from '../../adapters/registry/decoder.ts';
import { createEventDecoder, registerSchemas } from '../../adapters/registry/index.ts';
import { SCHEMAS } from '../../domain/schemas.ts';
import { testRegistry } from '../helpers/lane-harness.ts';
import { openRegistryDoor, registerAnother } from '../helpers/registry-door.ts';
import { lead } from '../unit/domain/sound.ts';
import { encodeAs, framed } from '../unit/registry/writer.ts';

const SOUND = encodeAs(SCHEMAS.leads, lead());

it('messages that come at once with a new schema make one request, later ones none', async () => {
  const id = await registerAnother();
  const door = await openRegistryDoor();
  const decoder = createEventDecoder({ ...testRegistry(), url: door.url });
  const decoded = await Promise.all(Array.from({ length: 500 }, () => decoder.decode(framed(id, SOUND))));
  expect(decoded.filter(({ ok }) => ok)).toHaveLength(500);
  await decoder.decode(framed(id, SOUND));
  expect(door.paths).toEqual([`/schemas/ids/${id}`]);
});

it('a flood of messages with an id that does not exist makes one question', async () => {
  const door = await openRegistryDoor();
  const decoder = createEventDecoder({ ...testRegistry(), url: door.url });
  const value = framed(2_000_000_000, SOUND);
  await Promise.all(Array.from({ length: 500 }, () => decoder.decode(value)));
  await decoder.decode(value);
  expect(door.paths).toEqual(['/schemas/ids/2000000000', '/schemas/types']);
});

it('a message that came before its schema is decoded once the schema is there', async () => {
  const clock = { now: 0 };
  const decoder = createDecoder(createRegistryClient(testRegistry()), () => clock.now);
  // The registry counts its ids up; other tests register too, so the next id is only likely to be ours.
  for (let tries = 0; tries < 20; tries += 1) {
    const expected = (await registerAnother()) + 1;
    const early = await decoder.decode(framed(expected, SOUND));
    if ((await registerAnother()) !== expected || early.ok) continue;
    expect(early.rejection.code).toBe('unknown_schema');
    clock.now += 5_000;
    expect(await decoder.decode(framed(expected, SOUND))).toMatchObject({ ok: true, event: lead() });
    return;
  }
  expect.fail('the registry never gave the next id');
});

it('registering writes nothing into a registry that has it all', async () => {
  const suffix = randomUUID();
  const topics = {
    events: `crm.events.${suffix}`,
    leads: `crm.leads.${suffix}`,
    contacts: `crm.contacts.${suffix}`,
    opportunities: `crm.opportunities.${suffix}`,
  };
  await registerSchemas(testRegistry(), topics);
  const door = await openRegistryDoor();
  await registerSchemas({ ...testRegistry(), url: door.url }, topics);
  expect(door.paths.filter((path) => path.endsWith('/versions'))).toEqual([]);
  expect(door.paths).toContain(`/subjects/${topics.leads}-value`);
});
