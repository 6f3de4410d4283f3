import { expect, it } from 'vitest';
import { forwarded } from '../../../platform/lazily.ts';
import { methodsOf } from '../../../platform/methods.ts';

const room = { double: async (value: number) => value * 2 };

it('calls go where they are meant for, with what is done around them', async () => {
  const seen: string[] = [];
  const watched = methodsOf<typeof room>(async (call) => {
    seen.push('before');
    const result = await call(room);
    seen.push('after');
    return result;
  });
  expect(await watched.double(21)).toBe(42);
  expect(seen).toEqual(['before', 'after']);
});

it('survives being given out of an async function, also one behind another', async () => {
  const inner = methodsOf<typeof room>((call) => call(room));
  expect(await (await (async () => inner)()).double(2)).toBe(4);
  expect(await forwarded(async () => inner).double(3)).toBe(6);
});
