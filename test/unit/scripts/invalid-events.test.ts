import { describe, expect, it } from 'vitest';
import { isRejection } from '../../../domain/validate.ts';
import { INVALID_MAKERS } from '../../../scripts/lib/invalid-events.ts';
import { eventAbout } from '../../../scripts/lib/send-plan.ts';
import { CANARY, createEventPath, testFactory, withCanary } from '../../helpers/events.ts';

describe('invalid events', () => {
  it.each(INVALID_MAKERS)('$name is found as $code, in words without the payload', async ({ code, entity, make }) => {
    const { encoder, receive } = await createEventPath();
    const { generated } = eventAbout(entity, testFactory(), 0);
    const { role } = generated;
    const sound = withCanary(generated.event);
    expect(isRejection(await receive(role, encoder.encode(role, sound)))).toBe(false);

    const result = await receive(
      role,
      make(sound, (event) => encoder.encode(role, event)),
    );
    if (!isRejection(result)) expect.fail('it was taken for sound');
    expect(result.code).toBe(code);
    expect(result.detail).not.toContain(CANARY);
  });
});
