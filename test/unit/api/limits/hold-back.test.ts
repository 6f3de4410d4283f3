import { describe, expect, it } from 'vitest';
import { createHoldBack } from '../../../../api/limits/hold-back.ts';

function open() {
  let time = 1_000;
  const holdBack = createHoldBack(
    () => time,
    () => 0.5,
  );
  const refuse = (network: string, times: number) => Array.from({ length: times }, () => holdBack(network)).at(-1);
  return {
    refuse,
    pass: (ms: number) => {
      time += ms;
    },
  };
}

describe('the answer to a refused request', () => {
  it('is held back from the 101st of a minute on, for one network alone', () => {
    const { refuse } = open();
    expect(refuse('192.0.2.7', 100)).toBe(0);
    expect(refuse('192.0.2.7', 1)).toBe(3_750);
    expect(refuse('192.0.2.8', 1)).toBe(0);
  });

  it('is given at once again when the minute is over', () => {
    const { refuse, pass } = open();
    expect(refuse('192.0.2.7', 500)).toBe(3_750);
    pass(59_999);
    expect(refuse('192.0.2.7', 1)).toBe(3_750);
    pass(1);
    expect(refuse('192.0.2.7', 1)).toBe(0);
  });
});
