import { describe, expect, it } from 'vitest';
import { NO_TOPIC_ID } from '../../../adapters/kafka/protocol/metadata.ts';
import { TopicIdentities } from '../../../adapters/kafka/topic-identity.ts';

const A = 'a'.repeat(32);
const B = 'b'.repeat(32);

describe('the identity of a topic', () => {
  it.each([
    ['found under the same id', [A, A], []],
    ['lost by a starting broker, and found under the same id', [A, 'lost', A], []],
    ['made again unseen', [A, B], ['t']],
    ['gone and made again', [A, 'lost', B], ['t']],
    ['missing from the beginning', ['lost', A], ['t']],
    ['found without ids', [NO_TOPIC_ID, NO_TOPIC_ID], []],
    ['gone and back without ids', [NO_TOPIC_ID, 'lost', NO_TOPIC_ID], ['t']],
  ])('%s', (_name, history, doubted) => {
    const identities = new TopicIdentities();
    for (const event of history) {
      if (event === 'lost') identities.lost('t');
      else identities.seen('t', event);
    }
    expect(identities.doubted()).toEqual(doubted);
    expect(identities.inDoubt('t')).toBe(doubted.length > 0);
  });

  it('is doubted once', () => {
    const identities = new TopicIdentities();
    identities.seen('t', A);
    identities.seen('t', B);
    identities.trust('t');
    identities.seen('t', B);
    expect(identities.doubted()).toEqual([]);
    expect(identities.idOf('t')).toBe(B);
  });
});
