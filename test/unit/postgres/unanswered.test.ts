import { expect, it } from 'vitest';
import { answeredWithin } from '../../../adapters/postgres/unanswered.ts';

const room = answeredWithin(50, {
  answers: async (value: string) => value,
  refuses: async () => Promise.reject(new Error('refused')),
  isSilent: () => new Promise<string>(() => {}),
});

it('a call that is answered is as it was', async () => {
  expect(await room.answers('yes')).toBe('yes');
  await expect(room.refuses()).rejects.toThrow('refused');
});

it('a call that is never answered is given up, as trouble that is worth waiting for', async () => {
  await expect(room.isSilent()).rejects.toMatchObject({ name: 'WriteError', code: 'no_answer' });
});
