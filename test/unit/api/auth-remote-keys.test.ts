import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { IdentityUnavailableError } from '../../../api/auth/keys.ts';
import { createRemoteKeys } from '../../../api/auth/remote-keys.ts';
import { createTokenCheck } from '../../../api/auth/token-check.ts';
import { AUDIENCE, ISSUER, type IssuerKey, issuerKey, serveKeys } from '../../helpers/issuer.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

const MINUTE_MS = 60_000;

let first: IssuerKey;
let second: IssuerKey;
beforeAll(async () => {
  [first, second] = await Promise.all([issuerKey('ES256', 'first'), issuerKey('EdDSA', 'second')]);
});

/** Keys of an issuer that publishes `first`, at a time that the test moves; tokens are always checked at the real one. */
async function opened() {
  const server = await serveKeys(first.jwk);
  onTestFinished(() => server.close());
  const clock = { at: 0 };
  const logger = recordingLogger();
  const source = createRemoteKeys(server.url, { logger, now: () => clock.at });
  const check = createTokenCheck(source, {
    issuer: ISSUER,
    audience: AUDIENCE,
    clockSkewSeconds: 0,
    maxLifetimeSeconds: 3_600,
    rolesClaim: 'roles',
    organizationsClaim: 'organizations',
  });
  return { ...server, clock, logger, source, check };
}

const fails = (status: number) => (response: ServerResponse) => {
  response.writeHead(status).end('no');
};

describe('keys of an issuer', () => {
  it('are fetched once, however many ask', async () => {
    const { check, answering } = await opened();
    const token = await first.token();
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => check(token)));
    expect(outcomes.map(({ ok }) => ok)).toEqual(Array.from({ length: 20 }, () => true));
    expect(answering.requests).toBe(1);
  });

  it('are fetched again for a key that is new, at most every 30 s', async () => {
    const { check, answering, publish, clock } = await opened();
    expect(await check(await first.token())).toMatchObject({ ok: true });
    publish(first.jwk, second.jwk);

    clock.at += 29_999;
    expect(await check(await second.token())).toMatchObject({ ok: false, why: 'ERR_JWKS_NO_MATCHING_KEY' });
    expect(answering.requests).toBe(1);

    clock.at += 1;
    expect(await check(await second.token())).toMatchObject({ ok: true });
    expect(answering.requests).toBe(2);
  });

  it('are not asked for at all by tokens with a made-up kid', async () => {
    const { check, answering, clock } = await opened();
    await check(await first.token());
    for (let round = 0; round < 100; round += 1) await check(await first.token({}, { kid: `made-up-${round}` }));
    expect(answering.requests).toBe(1);
    clock.at += 30_000;
    for (let round = 0; round < 100; round += 1) await check(await first.token({}, { kid: `made-up-${round}` }));
    expect(answering.requests).toBe(2);
  });

  it('are refreshed in the background after 10 minutes, so that a key that was withdrawn goes', async () => {
    const { check, answering, publish, clock } = await opened();
    await check(await first.token());
    publish(second.jwk);
    clock.at += 10 * MINUTE_MS + 1;
    // Not waited for.
    expect(await check(await first.token())).toMatchObject({ ok: true });
    await vi.waitFor(async () => expect(await check(await first.token())).toMatchObject({ ok: false }), 20_000);
    expect(answering.requests).toBe(2);
  });

  it('are kept for an hour while the URL is down', async () => {
    const { check, answering, clock, logger, publish } = await opened();
    await check(await first.token());
    answering.respond = fails(500);

    clock.at = 60 * MINUTE_MS;
    expect(await check(await first.token())).toMatchObject({ ok: true });
    await vi.waitFor(() => expect(logger.lines).toMatchObject([{ level: 'warn', fields: { kept: true } }]), 20_000);

    clock.at += MINUTE_MS;
    await expect(check(await first.token())).rejects.toThrow(IdentityUnavailableError);

    publish(first.jwk);
    clock.at += MINUTE_MS;
    expect(await check(await first.token())).toMatchObject({ ok: true });
  });

  it('are asked for at most every 30 s while there are none', async () => {
    const { check, source, answering, clock } = await opened();
    answering.respond = fails(503);
    for (let round = 0; round < 5; round += 1) {
      await expect(check(await first.token())).rejects.toThrow(IdentityUnavailableError);
    }
    await expect(source.check()).rejects.toThrow(IdentityUnavailableError);
    expect(answering.requests).toBe(1);
    clock.at += 30_000;
    await expect(check(await first.token())).rejects.toThrow(IdentityUnavailableError);
    expect(answering.requests).toBe(2);
  });

  it('that nobody serves are trouble of the issuer, not of who asks', async () => {
    const { check, close, logger } = await opened();
    await close();
    await expect(check(await first.token())).rejects.toThrow(IdentityUnavailableError);
    expect(logger.lines).toMatchObject([{ level: 'warn', fields: { kept: false, error: expect.any(Error) } }]);
    expect(String(logger.lines[0]?.fields.error)).toContain('ECONNREFUSED');
  });

  it.each<[string, (response: ServerResponse) => void]>([
    ['a redirect', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/keys' }).end()],
    ['what is not JSON', (response) => response.end('<html>')],
    ['JSON that is no key set', (response) => response.end('{"keys": 1}')],
    ['null', (response) => response.end('null')],
    ['more than 256 KiB', (response) => response.end(JSON.stringify({ keys: [], filling: 'x'.repeat(300_000) }))],
    ['an answer that breaks off', (response) => response.writeHead(200, { 'content-length': '99' }).end('{')],
  ])('are not taken from %s', async (_, respond) => {
    const { check, answering, logger } = await opened();
    answering.respond = respond;
    await expect(check(await first.token())).rejects.toThrow(IdentityUnavailableError);
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn']);
  });

  it("that don't come are waited for no longer than 5 s", { timeout: 20_000 }, async () => {
    const { check, answering } = await opened();
    let isClosed = false;
    answering.respond = (response) => {
      once(response, 'close').then(
        () => {
          isClosed = true;
        },
        () => {},
      );
      response.write('{"keys": [');
    };
    await expect(check(await first.token())).rejects.toThrow(IdentityUnavailableError);
    await sleep(50);
    expect(isClosed).toBe(true);
  });
});
