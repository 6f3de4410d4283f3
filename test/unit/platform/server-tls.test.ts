import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureVersion } from 'node:tls';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { loadConfig } from '../../../platform/config.ts';
import { createHealth } from '../../../platform/health.ts';
import { type Listening, listen } from '../../../platform/http-server.ts';
import { createMetrics } from '../../../platform/metrics.ts';
import { startMetricsServer } from '../../../platform/metrics-server.ts';
import { readServerTls, type ServerTls } from '../../../platform/server-tls.ts';
import { watchServerTls } from '../../../platform/tls-reload.ts';
import { type Issued, makeAuthority } from '../../helpers/certificates.ts';
import { problemsOf } from './config-problems.ts';
import { recordingLogger } from './recording-logger.ts';

const DAY_MS = 86_400_000;
const folder = mkdtempSync(join(tmpdir(), 'tls-'));
afterAll(() => rmSync(folder, { recursive: true }));
const open: Listening[] = [];
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

const authority = await makeAuthority();
const inDays = (days: number) => new Date(Date.now() + days * DAY_MS);
const issue = (days = 90) => authority.issue({ ips: ['127.0.0.1'], notAfter: inDays(days) });

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function files({ cert, key }: Issued, ca?: string): ServerTls {
  return {
    certFile: write('cert.pem', cert),
    keyFile: write('key.pem', key),
    clientCaFile: ca === undefined ? null : write('ca.pem', ca),
  };
}

async function start(tls: ServerTls) {
  const material = readServerTls(tls, Date.now());
  const server = await listen(async () => new Response('hello'), { host: '127.0.0.1', port: 0, tls: material });
  open.push(server);
  return { server, material };
}

interface Client {
  ca?: string;
  cert?: string;
  key?: string;
  minVersion?: SecureVersion;
  maxVersion?: SecureVersion;
  ciphers?: string;
}

/** @returns the answer and the serial number of the server's certificate. @throws what TLS says */
function ask(port: number, client: Client = {}, path = '/'): Promise<{ text: string; serial: string }> {
  const agent = new Agent({ ca: authority.ca, keepAlive: false, ...client });
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path, agent }, (response) => {
      const { socket } = response;
      const serial = 'getPeerCertificate' in socket ? String(Object(socket).getPeerCertificate().serialNumber) : '';
      let text = '';
      response.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      response.on('end', () => resolve({ text, serial }));
    });
    asked.on('error', reject).end();
  });
}

describe('TLS', () => {
  it('is spoken with whoever trusts the authority, from 1.2 on', async () => {
    const { server } = await start(files(await issue()));
    expect((await ask(server.port)).text).toBe('hello');
    expect((await ask(server.port, { maxVersion: 'TLSv1.2' })).text).toBe('hello');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(ask(server.port, old)).rejects.toThrow(/protocol version/u);
    await expect(ask(server.port, { ca: (await makeAuthority('another')).ca })).rejects.toThrow(/verify|issuer/u);
    await expect(fetch(`http://127.0.0.1:${server.port}/`)).rejects.toThrow();
  });

  it('takes clients with a certificate of its authority alone, where one is asked for', async () => {
    const { server } = await start(files(await issue(), authority.ca));
    await expect(ask(server.port)).rejects.toThrow();
    const stranger = await (await makeAuthority('another')).issue({ names: ['client'], client: true });
    await expect(ask(server.port, stranger)).rejects.toThrow();
    const client = await authority.issue({ names: ['client'], client: true });
    expect((await ask(server.port, client)).text).toBe('hello');
  });
});

it("speaks TLS on the worker's port as well, where its files are set", async () => {
  const { certFile, keyFile } = files(await issue());
  const { worker } = loadConfig({ WORKER_PORT: '0', WORKER_TLS_CERT_FILE: certFile, WORKER_TLS_KEY_FILE: keyFile }, []);
  const [logger, metrics] = [recordingLogger(), createMetrics()];
  const server = await startMetricsServer(worker, { health: createHealth({}), logger, metrics });
  open.push(server);
  expect((await ask(server.port, {}, '/metrics')).text).toMatch(
    /crm_certificate_ends_timestamp_seconds\{server="worker"\} \d+/u,
  );
});

describe('a renewed certificate', () => {
  async function watched(days = 90) {
    const tls = files(await issue(days));
    const { server, material } = await start(tls);
    const [logger, metrics] = [recordingLogger(), createMetrics()];
    const watch = watchServerTls(tls, material, server, { server: 'api', logger, metrics });
    const ends = async () => (await metrics.certificateEnds.get()).values[0]?.value;
    return { port: server.port, watch, logger, ends, endsAt: material.endsAt };
  }

  it('is used from the next connection on', async () => {
    const { port, watch, logger, ends } = await watched();
    const { serial } = await ask(port);
    const renewed = await issue(180);
    const { endsAt } = readServerTls(files(renewed), Date.now());
    watch.look();
    watch.close();
    expect((await ask(port)).serial).not.toBe(serial);
    expect(await ends()).toBe(endsAt / 1_000);
    expect(logger.lines).toMatchObject([{ level: 'info', message: 'a certificate was renewed' }]);
  });

  it('that is no good leaves the old one, and is told once', async () => {
    const { port, watch, logger, ends, endsAt } = await watched();
    const { serial } = await ask(port);
    write('cert.pem', (await issue()).cert); // its key is still to come
    watch.look();
    watch.look();
    expect((await ask(port)).serial).toBe(serial);
    expect(await ends()).toBe(endsAt / 1_000);
    expect(logger.lines).toMatchObject([
      { level: 'warn', message: 'the new certificate is no good and the old one stays' },
    ]);
    files(await issue());
    watch.look();
    watch.close();
    expect((await ask(port)).serial).not.toBe(serial);
  });

  it('is asked for a month ahead, once a day', async () => {
    const { watch, logger } = await watched(29);
    watch.look();
    watch.close();
    expect(logger.lines).toMatchObject([{ level: 'warn', message: 'a certificate ends soon' }]);
    expect((await watched(31)).logger.lines).toEqual([]);
  });
});

describe('certificates that can not serve', () => {
  const problemsWith = ({ certFile, keyFile, clientCaFile }: ServerTls) =>
    problemsOf({ API_TLS_CERT_FILE: certFile, API_TLS_KEY_FILE: keyFile, API_TLS_CLIENT_CA_FILE: clientCaFile ?? '' });
  const named = (problem: string) => [`API_TLS_CERT_FILE and API_TLS_KEY_FILE: ${problem}`];

  it('are refused at the start, each with its reason', async () => {
    const good = await issue();
    expect(problemsWith(files(good))).toEqual([]);
    expect(problemsWith(files({ ...good, key: (await issue()).key }))).toEqual(
      named('the key is not that of the certificate'),
    );
    const expired = await authority.issue({ ips: ['127.0.0.1'], notBefore: inDays(-9), notAfter: inDays(-2) });
    const day = inDays(-2).toISOString().slice(0, 10);
    expect(problemsWith(files(expired))).toEqual(named(`the certificate expired on ${day}`));
    const early = await authority.issue({ ips: ['127.0.0.1'], notBefore: inDays(3), notAfter: inDays(9) });
    expect(problemsWith(files(early))).toEqual(
      named(`the certificate is not valid before ${inDays(3).toISOString().slice(0, 10)}`),
    );
    const broken = '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n';
    expect(problemsWith(files({ ...good, cert: broken }))).toEqual(named('the certificate can not be read'));
    expect(problemsWith(files({ ...good, key: good.cert }))).toEqual(
      named('the key can not be read; it must be PEM without a passphrase'),
    );
    expect(problemsWith(files(good, broken))).toEqual(named('the authority of client certificates can not be read'));
  });

  it('are refused where one file is missing', async () => {
    const { certFile, keyFile } = files(await issue());
    expect(problemsWith({ certFile, keyFile: '', clientCaFile: null })).toEqual([
      'API_TLS_CERT_FILE is set without API_TLS_KEY_FILE; set them together or not at all',
    ]);
    expect(problemsWith({ certFile: '', keyFile, clientCaFile: null })).toEqual([
      'API_TLS_KEY_FILE is set without API_TLS_CERT_FILE; set them together or not at all',
    ]);
  });
});
