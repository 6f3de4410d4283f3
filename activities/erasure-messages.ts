/** Looks through the messages of failed events for the subject of an erasure. */
import { correctionToWireEvent } from '../domain/correction.ts';
import type { ErasureRecord } from '../domain/erasure.ts';
import { createErasureMatcher } from '../domain/erasure-match.ts';
import type { WireEvent } from '../domain/events.ts';
import type { ErasureStore, KeptMessage, RunningErasure } from './erasure-ports.ts';
import type { EventDecoder } from './ports.ts';

/** What a page of messages holds about the subject. */
export interface FoundMessages {
  /** To be emptied. */
  failedIds: number[];
  /** How many more a legal hold keeps. */
  held: number;
  /** How many can't be opened or decoded, and don't hold the address as text. */
  unreadable: number;
}

/** Messages can be of a megabyte each, and are in memory several times while they are searched. */
const PAGE = 50;

/**
 * @returns a search over all messages, page by page
 * @throws the signal's reason when it aborts, WriteError, RegistryUnavailableError
 */
export function createMessageSearch(
  { erasures, decoder }: { erasures: Pick<ErasureStore, 'messages' | 'heldOrganizations'>; decoder: EventDecoder },
  { subject }: RunningErasure,
  records: readonly ErasureRecord[],
) {
  const matcher = createErasureMatcher(subject, records);

  async function judge(message: KeptMessage): Promise<'about' | 'other' | 'unreadable' | { organizationId: string }> {
    const events = await eventsIn(message, decoder);
    const about = events.find((event) => event !== null && matcher.isAbout(event)) ?? null;
    const mentioned =
      matcher.mentions(message.beside) || (message.value !== null && matcher.mentions(message.value.toString()));
    if (about === null && !mentioned && !isOf(subject, message)) {
      return events.includes(null) ? 'unreadable' : 'other';
    }
    const organizationId = about?.organizationId ?? message.organizationId;
    return organizationId === null ? 'about' : { organizationId };
  }

  return async (signal: AbortSignal, visit: (found: FoundMessages) => Promise<void>): Promise<void> => {
    for (let after = 0; ; ) {
      signal.throwIfAborted();
      const page = await erasures.messages(after, PAGE);
      const last = page.at(-1);
      if (last === undefined) return;
      const heldOrganizations = await erasures.heldOrganizations();
      const found: FoundMessages = { failedIds: [], held: 0, unreadable: 0 };
      for (const message of page) {
        const verdict = await judge(message);
        if (verdict === 'unreadable') {
          found.unreadable += 1;
        } else if (typeof verdict === 'object' && heldOrganizations.has(verdict.organizationId)) {
          found.held += 1;
        } else if (verdict !== 'other') {
          found.failedIds.push(message.failedId);
        }
      }
      await visit(found);
      after = last.failedId;
    }
  };
}

/** The event of the message and that of its correction; null for what can't be opened or decoded. */
async function eventsIn(
  { topic, value, correction, sealed }: KeptMessage,
  decoder: EventDecoder,
): Promise<Array<WireEvent | null>> {
  const events: Array<WireEvent | null> = sealed ? [null] : [];
  if (value !== null) {
    const decoded = await decoder.decode(value, topic);
    events.push(decoded.ok ? decoded.event : null);
  }
  if (correction !== null) {
    const event = correctionToWireEvent(correction);
    events.push('code' in event ? null : event);
  }
  return events;
}

/** What an organization's failed event was told to be of, also where its message is cut off. */
function isOf(subject: RunningErasure['subject'], { organizationId }: KeptMessage): boolean {
  return subject.kind === 'organization' && organizationId === subject.organizationId;
}
