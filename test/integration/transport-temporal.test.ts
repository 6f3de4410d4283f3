import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { connectWorkers, createClient } from '../../adapters/temporal/connection.ts';
import { explainRefusal, suspectRefusal } from '../../platform/tls-explain.ts';
import { type Authority, makeAuthority } from '../helpers/certificates.ts';
import { required } from '../helpers/database.ts';
import { type Door, type DoorOptions, openGrpcDoor } from '../helpers/tls-doors.ts';
import { configWith, whatIsSaidOf } from '../helpers/tls-product.ts';

const KEY = 'Key-of-worker-7';
const WRONG_KEY = 'Wrong-key-of-worker-9';

let authority: Authority;
let door: Door;
beforeAll(async () => {
  authority = await makeAuthority();
  door = await openDoor({});
});
afterAll(() => door.shut());

async function openDoor(options: Partial<DoorOptions>, notAfter?: Date): Promise<Door> {
  const own = await authority.issue({ names: ['localhost'], ...(notAfter && { notAfter }) });
  return openGrpcDoor(required('TEMPORAL_ADDRESS'), { ...own, ...options });
}

async function doorOfOneTest(...options: Parameters<typeof openDoor>): Promise<Door> {
  const opened = await openDoor(...options);
  onTestFinished(() => opened.shut());
  return opened;
}

const at = ({ port }: Door, host = 'localhost') => ({ TEMPORAL_ADDRESS: `${host}:${port}`, TEMPORAL_TLS: 'true' });
const trusted = () => ({ TEMPORAL_TLS_CA_FILE: authority.ca });

async function certified(by: Authority = authority) {
  const { cert, key } = await by.issue({ names: ['worker'], client: true });
  return { TEMPORAL_TLS_CERT_FILE: cert, TEMPORAL_TLS_KEY_FILE: key };
}

/** Asks for the namespace over both of the SDK's connections: that of clients and that of workers. */
async function namespaces(env: Record<string, string>): Promise<Array<string | null | undefined>> {
  const { temporal } = await configWith(env);
  const client = createClient(temporal);
  onTestFinished(() => client.connection.close());
  const native = await connectWorkers(temporal);
  onTestFinished(() => native.close());
  const asked = { namespace: temporal.namespace };
  const answers = await Promise.all([
    client.workflowService.describeNamespace(asked),
    native.workflowService.describeNamespace(asked),
  ]);
  return answers.map(({ namespaceInfo }) => namespaceInfo?.name);
}

const BOTH = ['default', 'default'];

describe('clients and workers', () => {
  it('speak TLS with a private authority', async () => {
    expect(await namespaces({ ...at(door), ...trusted() })).toEqual(BOTH);
  });

  it('show a certificate where one is wanted', async () => {
    const strict = await doorOfOneTest({ clientCa: authority.ca });
    expect(await namespaces({ ...at(strict), ...trusted(), ...(await certified()) })).toEqual(BOTH);
  });

  it('send an API key', async () => {
    const keyed = await doorOfOneTest({ authorization: `Bearer ${KEY}` });
    expect(await namespaces({ ...at(keyed), ...trusted(), TEMPORAL_API_KEY: KEY })).toEqual(BOTH);
  });
});

const UNTRUSTED = 'the certificate of Temporal is signed by no authority that we trust: see TEMPORAL_TLS_CA_FILE';
type Given = () => Record<string, string> | Promise<Record<string, string>>;

describe('what keeps us out', () => {
  it.each<[string, Given, string]>([
    ['public authorities for a private certificate', () => at(door), UNTRUSTED],
    ['another authority', async () => ({ ...at(door), TEMPORAL_TLS_CA_FILE: (await makeAuthority()).ca }), UNTRUSTED],
    [
      'another host name',
      () => ({ ...at(door, '127.0.0.1'), ...trusted() }),
      'the certificate of Temporal is for another host name than the one in TEMPORAL_ADDRESS',
    ],
    [
      'an expired certificate',
      async () => ({ ...at(await doorOfOneTest({}, new Date(Date.now() - 60_000))), ...trusted() }),
      'the certificate of Temporal has expired: renew it there, or the authority in TEMPORAL_TLS_CA_FILE',
    ],
    [
      'a wrong API key',
      async () => ({
        ...at(await doorOfOneTest({ authorization: `Bearer ${KEY}` })),
        ...trusted(),
        TEMPORAL_API_KEY: WRONG_KEY,
      }),
      'Temporal refuses the API key: see TEMPORAL_API_KEY',
    ],
    [
      'a frontend without TLS',
      () => ({ TEMPORAL_ADDRESS: required('TEMPORAL_ADDRESS'), TEMPORAL_TLS: 'true' }),
      'Temporal does not speak TLS there: see TEMPORAL_ADDRESS and TEMPORAL_TLS',
    ],
  ])('is told in one sentence, to the API and to workers: %s', async (_name, env, sentence) => {
    const given = await env();
    const { health, log, everything } = await whatIsSaidOf('temporal', given);
    expect(health).toMatchObject({ status: 'down', error: sentence });
    expect(log).toContain(`"reason":"${sentence}"`);
    for (const secret of [KEY, WRONG_KEY, 'PRIVATE KEY']) expect(everything).not.toContain(secret);

    expect(await toldToWorkers(given)).toBe(sentence);
  });

  it.each<[string, Given]>([
    ['no client certificate', () => ({})],
    ["a stranger's client certificate", async () => certified(await makeAuthority())],
  ])('is told in one sentence, to the API and to workers: %s', async (_name, shown) => {
    const given = { ...at(await doorOfOneTest({ clientCa: authority.ca })), ...trusted(), ...(await shown()) };
    // The frontend hangs up at once: whether its alert can still be read is a matter of luck.
    const sentence =
      /^Temporal (?:does not accept our client certificate, or misses one|closes the connection without an answer): .*TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE$/u;
    const { health, log } = await whatIsSaidOf('temporal', given);
    expect(health).toMatchObject({ status: 'down', error: expect.stringMatching(sentence) });
    expect(log).toContain('TEMPORAL_TLS_CERT_FILE');
    expect(await toldToWorkers(given)).toMatch(sentence);
  });
});

/** As the worker's log has it while it tries to connect. */
async function toldToWorkers(env: Record<string, string>): Promise<string | null> {
  const { temporal } = await configWith(env);
  const refused = await connectWorkers(temporal).then(
    (connection) => connection.close(),
    (error: unknown) => error,
  );
  return explainRefusal('temporal', refused) ?? suspectRefusal('temporal', refused);
}
