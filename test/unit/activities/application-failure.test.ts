import { ApplicationFailure } from '@temporalio/activity';
import { describe, expect, it } from 'vitest';
import { toApplicationFailure } from '../../../activities/application-failure.ts';
import { FencedError, OffsetOutOfRangeError, WriteError } from '../../../activities/ports.ts';
import { NON_RETRYABLE } from '../../../workflows/contracts.ts';

const at = { topic: 'crm.leads', partition: 0 };
const bounds = { ...at, earliest: 10, end: 20, topicId: null };

describe('what a failed activity tells Temporal', () => {
  it.each([
    [new OffsetOutOfRangeError({ ...at, offset: 5 }, bounds), 'OffsetOutOfRange'],
    [new FencedError('crm.leads[0] is held by another lane'), 'Fenced'],
    [new WriteError('57P01'), 'WriteRefused'],
  ])('keeps the words of our own %s under a name of its own', (error, type) => {
    expect(toApplicationFailure(error)).toMatchObject({ type, message: error.message, nonRetryable: false });
  });

  it('names offsets out of range as the retry policy does', () => {
    const { type } = toApplicationFailure(new OffsetOutOfRangeError({ ...at, offset: 5 }, bounds));

    expect(NON_RETRYABLE).toContain(type);
  });

  it('leaves the words of foreign errors behind, which may quote a row', () => {
    const foreign = Object.assign(new Error('duplicate key: (email)=(ada@example.com)'), { code: '23505' });
    const failure = toApplicationFailure(new TypeError('ada@example.com', { cause: foreign }));

    expect(JSON.stringify([failure, failure.message, failure.stack, failure.cause])).not.toContain('ada@');
    expect(failure.message).toMatch(/^unexpected TypeError at .*application-failure\.test\.ts:\d+:\d+\)?$/u);
    expect(toApplicationFailure(foreign).message).toContain('(23505)');
    expect(failure.message).not.toContain('/');
  });

  it('takes things that are no error', () => {
    expect(toApplicationFailure('ada@example.com').message).toBe('unexpected UnknownError');
  });

  it('passes a failure on that is one already', () => {
    const failure = ApplicationFailure.nonRetryable('no such offset', 'InvalidSeek');

    expect(toApplicationFailure(failure)).toBe(failure);
  });
});
