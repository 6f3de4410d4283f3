import { hash } from 'node:crypto';

/** A list that has something to pick from. */
export type Choices<T> = readonly [T, ...T[]];

/** Numbers that look random and are the same for the same seed, on every machine. Not for secrets. */
export interface Random {
  /** From 0 up to 1, without 1. */
  next(): number;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  /** True once in `n` times, by and large. */
  oneIn(n: number): boolean;
  pick<T>(choices: Choices<T>): T;
}

/** Marsaglia's xorshift with 128 bits of state, which the hash of the seed fills. */
export function createRandom(seed: string): Random {
  const state = new Uint32Array(4);
  const digest = Buffer.from(hash('sha256', seed, 'hex'), 'hex');
  for (let word = 0; word < state.length; word += 1) state[word] = digest.readUInt32LE(word * 4);
  let [x = 0, y = 0, z = 0, w = 0] = state;

  function next(): number {
    const mixed = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = (w ^ (w >>> 19) ^ mixed ^ (mixed >>> 8)) >>> 0;
    return w / 2 ** 32;
  }
  const between = (min: number, max: number) => min + Math.floor(next() * (max - min + 1));

  return {
    next,
    between,
    oneIn: (n) => next() * n < 1,
    pick: (choices) => choices[between(0, choices.length - 1)] ?? choices[0],
  };
}

/** The same UUID for the same name; of version 8, whose bits mean whatever their maker wants. */
export function uuidOf(name: string): string {
  const digits = hash('sha256', name, 'hex');
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `a${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
}
