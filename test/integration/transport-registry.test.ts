import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createRegistryClient } from '../../adapters/registry/client.ts';
import { SCHEMAS } from '../../domain/schemas.ts';
import { type Authority, makeAuthority } from '../helpers/certificates.ts';
import { required } from '../helpers/database.ts';
import { type Door, type DoorOptions, openHttpsDoor } from '../helpers/tls-doors.ts';
import { configWith, whatIsSaidOf } from '../helpers/tls-product.ts';

const PASSWORD = 'Pass-of-registry-7';
const WRONG_PASSWORD = 'Wrong-pass-of-registry-9';
const BASIC = `Basic ${Buffer.from(`reader:${PASSWORD}`).toString('base64')}`;
const LOGIN = { SCHEMA_REGISTRY_USERNAME: 'reader', SCHEMA_REGISTRY_PASSWORD: PASSWORD };

let authority: Authority;
let door: Door;
beforeAll(async () => {
  authority = await makeAuthority();
  door = await openDoor({ authorization: BASIC });
});
afterAll(() => door.shut());

/** A door for `localhost`, before the registry of all tests. */
async function openDoor(options: Partial<DoorOptions>, notAfter?: Date): Promise<Door> {
  const own = await authority.issue({ names: ['localhost'], ...(notAfter && { notAfter }) });
  return openHttpsDoor(required('SCHEMA_REGISTRY_URL'), { ...own, ...options });
}

async function doorOfOneTest(...options: Parameters<typeof openDoor>): Promise<Door> {
  const opened = await openDoor(...options);
  onTestFinished(() => opened.shut());
  return opened;
}

function at({ port }: Door, host = 'localhost') {
  const url = new URL(required('SCHEMA_REGISTRY_URL'));
  return { SCHEMA_REGISTRY_URL: `https://${host}:${port}${url.pathname}` };
}

const trusted = () => ({ SCHEMA_REGISTRY_CA_FILE: authority.ca });

async function certified() {
  const { cert, key } = await authority.issue({ names: ['worker'], client: true });
  return { SCHEMA_REGISTRY_CERT_FILE: cert, SCHEMA_REGISTRY_KEY_FILE: key };
}

describe('the registry over TLS', () => {
  it('takes a schema and gives it back, with basic authentication', async () => {
    const { registry } = await configWith({ ...at(door), ...trusted(), ...LOGIN });
    const client = createRegistryClient(registry);
    const id = await client.register(`crm.leads.${randomUUID()}`, { ...SCHEMAS.leads, doc: randomUUID() });
    expect(await client.schemaById(id)).toMatchObject({ found: true });
  });

  it('is shown a certificate where it wants one', async () => {
    const strict = await doorOfOneTest({ clientCa: authority.ca });
    const { registry } = await configWith({ ...at(strict), ...trusted(), ...(await certified()) });
    expect(await createRegistryClient(registry).ping()).toBeGreaterThan(0);
  });
});

const UNTRUSTED =
  'the certificate of the schema registry is signed by no authority that we trust: see SCHEMA_REGISTRY_CA_FILE';
const WRONG_LOGIN =
  'the schema registry refuses the user or password: see SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD';

type Given = () => Record<string, string> | Promise<Record<string, string>>;

describe('what keeps us out', () => {
  it.each<[string, Given, string]>([
    ['public authorities for a private certificate', () => ({ ...at(door), ...LOGIN }), UNTRUSTED],
    [
      'another authority',
      async () => ({ ...at(door), ...LOGIN, SCHEMA_REGISTRY_CA_FILE: (await makeAuthority()).ca }),
      UNTRUSTED,
    ],
    [
      'another host name',
      () => ({ ...at(door, '127.0.0.1'), ...trusted(), ...LOGIN }),
      'the certificate of the schema registry is for another host name than the one in SCHEMA_REGISTRY_URL',
    ],
    [
      'an expired certificate',
      async () => ({ ...at(await doorOfOneTest({}, new Date(Date.now() - 60_000))), ...trusted() }),
      'the certificate of the schema registry has expired: renew it there, or the authority in SCHEMA_REGISTRY_CA_FILE',
    ],
    [
      'a wrong password',
      () => ({ ...at(door), ...trusted(), ...LOGIN, SCHEMA_REGISTRY_PASSWORD: WRONG_PASSWORD }),
      WRONG_LOGIN,
    ],
    ['no password', () => ({ ...at(door), ...trusted() }), WRONG_LOGIN],
    [
      'no client certificate',
      async () => ({ ...at(await doorOfOneTest({ clientCa: authority.ca })), ...trusted() }),
      'the schema registry does not accept our client certificate, or misses one: see SCHEMA_REGISTRY_CERT_FILE and SCHEMA_REGISTRY_KEY_FILE',
    ],
    [
      'a registry without TLS',
      () => ({ SCHEMA_REGISTRY_URL: required('SCHEMA_REGISTRY_URL').replace('http:', 'https:') }),
      'the schema registry does not speak TLS there: see SCHEMA_REGISTRY_URL',
    ],
  ])('is told in one sentence: %s', async (_name, env, sentence) => {
    const { health, log, everything } = await whatIsSaidOf('registry', await env());
    expect(health).toMatchObject({ status: 'down', error: sentence });
    expect(log).toContain(`"reason":"${sentence}"`);
    for (const secret of [PASSWORD, WRONG_PASSWORD, 'PRIVATE KEY']) expect(everything).not.toContain(secret);
  });

  it('reaches a lane as trouble of the registry, not of the schema', async () => {
    const { registry } = await configWith({ ...at(door), ...LOGIN });
    await expect(createRegistryClient(registry).schemaById(1)).rejects.toThrow(UNTRUSTED);
  });
});
