import { describe, expect, it } from 'vitest';
import { type Caller, createDoor, type LimitSettings } from '../../../../api/limits/door.ts';
import { createMemoryLimiters } from './memory-limiters.ts';

const STRANGER: Caller = { network: '192.0.2.7', credential: 'bad', open: false };
const NEWCOMER: Caller = { ...STRANGER, credential: 'good' };
const ELSEWHERE: Caller = { ...STRANGER, network: '192.0.2.8' };

function open(settings: Partial<LimitSettings> = {}) {
  let time = 1_000;
  const { limiters, counts } = createMemoryLimiters();
  const door = createDoor(limiters, { identity: 3, address: 100, failed: 2, ...settings }, () => time);
  return {
    door,
    counts,
    pass: (ms: number) => {
      time += ms;
    },
    /** Requests whose identity can't be proved. */
    async fail(caller: Caller, times: number) {
      for (let nth = 0; nth < times; nth += 1) await door.failed(caller, 'counted');
    },
  };
}

describe('failed authentication', () => {
  it('makes an address wait once it is too much, and no other', async () => {
    const { door, fail } = open();
    await fail(STRANGER, 2);
    expect(door.judge(STRANGER)).toBe('counted');
    await fail(STRANGER, 1);
    expect(door.judge(STRANGER)).toEqual({ reason: 'authentication', quota: 2, retryAfterMs: 60_000 });
    expect(door.judge({ ...STRANGER, credential: null })).toMatchObject({ reason: 'authentication' });
    expect(door.judge(ELSEWHERE)).toBe('counted');
  });

  it('ends with the window', async () => {
    const { door, fail, pass } = open();
    await fail(STRANGER, 3);
    pass(59_999);
    expect(door.judge({ ...STRANGER, credential: null })).toMatchObject({ retryAfterMs: 1 });
    pass(1);
    expect(door.judge({ ...STRANGER, credential: null })).toBe('counted');
  });

  it('holds nobody up who is known, from the same address', async () => {
    const { door, fail } = open();
    await door.countIdentity(NEWCOMER, 'ann');
    await fail(STRANGER, 50);
    expect(door.judge(NEWCOMER)).toBe('known');
  });

  it('lets one in a second show that it is somebody else, and nobody twice who was refused', async () => {
    const { door, fail, pass } = open();
    await fail(STRANGER, 3);
    expect(door.judge(STRANGER)).toMatchObject({ reason: 'authentication' });
    expect(door.judge(NEWCOMER)).toBe('trial');
    expect(door.judge({ ...NEWCOMER, credential: 'other' })).toMatchObject({ reason: 'authentication' });
    pass(1_000);
    expect(door.judge({ ...NEWCOMER, credential: 'other' })).toBe('trial');
    expect(door.judge(NEWCOMER)).toMatchObject({ reason: 'authentication' });
    await door.countIdentity(NEWCOMER, 'ann');
    expect(door.judge(NEWCOMER)).toBe('known');
  });

  it('gives no more trials for failures that were under way', async () => {
    const { door, fail } = open();
    await fail(STRANGER, 3);
    expect(door.judge(NEWCOMER)).toBe('trial');
    await fail(STRANGER, 1);
    expect(door.judge({ ...NEWCOMER, credential: 'other' })).toMatchObject({ reason: 'authentication' });
  });

  it('is not counted again for who had a trial', async () => {
    const { door, fail, counts } = open();
    await fail(STRANGER, 3);
    await door.failed(NEWCOMER, 'trial');
    expect(counts.get('failed 192.0.2.7')).toBe(3);
  });

  it('ends knowing whoever it happens to', async () => {
    const { door, fail } = open();
    await door.countIdentity(NEWCOMER, 'ann');
    expect(door.judge(NEWCOMER)).toBe('known');
    await fail(NEWCOMER, 1);
    expect(door.judge(NEWCOMER)).toBe('counted');
  });

  it('is not limited with 0', async () => {
    const { door, fail, counts } = open({ failed: 0 });
    await fail(STRANGER, 50);
    expect(door.judge(STRANGER)).toBe('counted');
    expect(counts.size).toBe(0);
  });
});

describe('an identity', () => {
  it('is refused beyond its own limit, wherever it is, without being asked again', async () => {
    const { door } = open();
    for (let nth = 0; nth < 3; nth += 1) {
      expect((await door.countIdentity(NEWCOMER, 'ann'))?.taken.allowed).toBe(true);
    }
    expect((await door.countIdentity({ ...NEWCOMER, network: 'other' }, 'ann'))?.taken.allowed).toBe(false);
    expect(door.judge(NEWCOMER)).toEqual({ reason: 'identity', quota: 3, retryAfterMs: 60_000 });
    expect((await door.countIdentity(NEWCOMER, 'bob'))?.taken.allowed).toBe(true);
  });

  it('is known for ten minutes after it was proved', async () => {
    const { door, pass } = open();
    await door.countIdentity(NEWCOMER, 'ann');
    pass(599_999);
    expect(door.judge(NEWCOMER)).toBe('known');
    pass(1);
    expect(door.judge(NEWCOMER)).toBe('counted');
  });

  it('is not limited with 0, and known all the same', async () => {
    const { door } = open({ identity: 0 });
    expect(await door.countIdentity(NEWCOMER, 'ann')).toBeNull();
    expect(door.judge(NEWCOMER)).toBe('known');
  });
});

describe('an address', () => {
  it('waits once it has sent too much, and whoever is known does not', async () => {
    const { door } = open({ address: 2 });
    await door.countIdentity(NEWCOMER, 'ann');
    for (const allowed of [true, true, false]) {
      expect((await door.countAddress(STRANGER))?.taken.allowed).toBe(allowed);
    }
    expect(door.judge({ ...STRANGER, credential: null })).toMatchObject({ reason: 'address' });
    expect(door.judge(NEWCOMER)).toBe('known');
  });

  it('has a count of its own for paths that take no identity, without Redis', async () => {
    const { door, counts } = open({ address: 1 });
    const probe = { ...STRANGER, open: true };
    await door.countAddress(STRANGER);
    await door.countAddress(STRANGER);
    expect(door.judge(probe)).toBe('counted');
    await door.countAddress(probe);
    await door.countAddress(probe);
    expect(door.judge(probe)).toEqual({ reason: 'open', quota: 1, retryAfterMs: 60_000 });
    expect(Object.fromEntries(counts)).toEqual({ 'address 192.0.2.7': 2, 'local 192.0.2.7': 2 });
  });

  it('waits on paths without identity whatever it shows', async () => {
    const { door } = open({ address: 1 });
    const probe = { ...NEWCOMER, open: true };
    await door.countIdentity(NEWCOMER, 'ann');
    await door.countAddress(probe);
    await door.countAddress(probe);
    expect(door.judge(probe)).toMatchObject({ reason: 'open' });
  });
});

it('forgets the oldest of those it remembers rather than grow', async () => {
  const { door, fail } = open({ failed: 1 });
  await fail(STRANGER, 2);
  for (let nth = 0; nth < 10_000; nth += 1) {
    await fail({ network: `198.51.100.${nth}`, credential: null, open: false }, 2);
  }
  expect(door.judge({ ...STRANGER, credential: null })).toBe('counted');
  expect(door.judge({ network: '198.51.100.9999', credential: null, open: false })).toMatchObject({
    reason: 'authentication',
  });
});
