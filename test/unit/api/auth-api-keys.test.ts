import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import type { ApiKeys, KnownApiKey } from '../../../activities/api-key-ports.ts';
import { WriteError } from '../../../activities/ports.ts';
import { hashOf, keyIdOf, newApiKey } from '../../../api/auth/api-key.ts';
import { createApiKeyCheck } from '../../../api/auth/api-key-check.ts';
import { permissionsOf } from '../../../domain/permissions.ts';
import { currentScope, INSTALLATION } from '../../../platform/scope.ts';
import { recordingLogger } from '../platform/recording-logger.ts';

const START = Date.UTC(2026, 0, 1);

/** A check over a store in memory. */
function opened(more: Partial<KnownApiKey> = {}) {
  const { key, keyId, hash } = newApiKey();
  const known: KnownApiKey = {
    keyId,
    name: 'export',
    hash,
    grants: ['viewer'],
    organizations: ['org-1'],
    expiresAt: START + 3_600_000,
    revoked: false,
    ...more,
  };
  const keys = {
    find: vi.fn<ApiKeys['find']>(async (ids) => {
      expect(currentScope()).toBe(INSTALLATION);
      return ids.includes(keyId) ? [{ ...known }] : [];
    }),
    touch: vi.fn<ApiKeys['touch']>(async () => {}),
  };
  const clock = { at: START };
  const logger = recordingLogger();
  return { key, known, keys, clock, logger, check: createApiKeyCheck(keys, { logger, now: () => clock.at }) };
}

describe('API keys', () => {
  it('have one form, name their id, and are never twice the same', () => {
    const made = Array.from({ length: 50 }, newApiKey);
    for (const { key, keyId, hash } of made) {
      expect(key).toMatch(/^crm_[0-9a-f]{32}_[\w-]{43}$/);
      expect(keyIdOf(key)).toBe(keyId);
      expect(hashOf(key)).toEqual(hash);
    }
    expect(new Set(made.map(({ key }) => key)).size).toBe(50);
  });

  it.each([
    '',
    'crm_',
    'crm_x_y',
    `crm_${'0'.repeat(32)}_${'A'.repeat(42)}`,
    `crm_${'G'.repeat(32)}_${'A'.repeat(43)}`,
  ])('of another form name none: %s', (text) => expect(keyIdOf(text)).toBeNull());

  it('let in with what they were given', async () => {
    const { check, key } = opened();
    expect(await check(key)).toEqual({
      ok: true,
      principal: {
        name: 'key:export',
        kind: 'api-key',
        permissions: permissionsOf(['viewer']),
        organizations: ['org-1'],
      },
    });
  });

  it('are refused with another secret, after their end, or revoked', async () => {
    const { check, key, clock } = opened();
    const other = `${key.slice(0, 37)}${newApiKey().key.slice(37)}`;
    expect(keyIdOf(other)).toBe(keyIdOf(key));
    expect(await check(other)).toMatchObject({ ok: false, expired: false, why: 'unknown key' });
    expect(await check(newApiKey().key)).toMatchObject({ ok: false, expired: false, why: 'unknown key' });
    clock.at += 3_600_000;
    expect(await check(key)).toMatchObject({ ok: false, expired: true });
    const revoked = opened({ revoked: true });
    expect(await revoked.check(revoked.key)).toMatchObject({ ok: false, expired: false, why: 'revoked key' });
  });

  it('that were revoked are taken for 5 s at most', async () => {
    const { check, key, known, clock } = opened();
    expect(await check(key)).toMatchObject({ ok: true });
    known.revoked = true;
    clock.at += 4_999;
    expect(await check(key)).toMatchObject({ ok: true });
    clock.at += 1;
    expect(await check(key)).toMatchObject({ ok: false });
  });

  it('that were revoked are not taken for longer where the clock is set back', async () => {
    const { check, key, known, clock } = opened();
    expect(await check(key)).toMatchObject({ ok: true });
    known.revoked = true;
    clock.at -= 3_600_000;
    expect(await check(key)).toMatchObject({ ok: false });
  });

  it('are looked up together, one question at a time', async () => {
    const { check, key, keys } = opened();
    const outcomes = await Promise.all([key, ...Array.from({ length: 2_500 }, () => newApiKey().key)].map(check));
    expect(outcomes.filter(({ ok }) => ok)).toHaveLength(1);
    expect(keys.find.mock.calls.map(([ids]) => ids.length)).toEqual([1, 1_000, 1_000, 500]);
  });

  it('note their use once a minute, and let in when that fails', async () => {
    const { check, key, keys, clock, logger } = opened();
    keys.touch.mockRejectedValueOnce(new WriteError('connection_lost'));
    for (let round = 0; round < 3; round += 1) expect(await check(key)).toMatchObject({ ok: true });
    expect(keys.touch).toHaveBeenCalledTimes(1);
    await sleep(1);
    expect(logger.lines).toMatchObject([{ level: 'debug' }]);
    clock.at += 60_000;
    await check(key);
    expect(keys.touch).toHaveBeenCalledTimes(2);
  });

  it('can not be told while the database is down, and again afterwards', async () => {
    const { check, key, keys } = opened();
    keys.find.mockRejectedValueOnce(new WriteError('connection_lost'));
    await expect(check(key)).rejects.toThrow(WriteError);
    expect(await check(key)).toMatchObject({ ok: true });
  });
});
