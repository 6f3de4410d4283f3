import { NO_TOPIC_ID } from './protocol/metadata.ts';

interface Identity {
  id: string;
  /** The cluster did not know the topic at some time since it was last seen. */
  lost: boolean;
  doubted: boolean;
}

/**
 * Notices topics that were deleted and made again. Where the cluster gives topics ids (Kafka 2.8), another id is proof;
 * else, and for a topic that was missing from the beginning, having been lost is enough for doubt.
 */
export class TopicIdentities {
  readonly #topics = new Map<string, Identity>();

  #of(topic: string): Identity {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const identity = { id: NO_TOPIC_ID, lost: false, doubted: false };
    this.#topics.set(topic, identity);
    return identity;
  }

  /** The cluster does not know the topic. */
  lost(topic: string): void {
    this.#of(topic).lost = true;
  }

  /** The cluster knows the topic, under this id. */
  seen(topic: string, id: string): void {
    const identity = this.#of(topic);
    const bothKnown = identity.id !== NO_TOPIC_ID && id !== NO_TOPIC_ID;
    if (bothKnown ? identity.id !== id : identity.lost) identity.doubted = true;
    identity.id = id;
    identity.lost = false;
  }

  /** 32 hexadecimal digits, zeros where there is no id. */
  idOf(topic: string): string {
    return this.#of(topic).id;
  }

  /** True while nothing more of the topic may be read. */
  inDoubt(topic: string): boolean {
    return this.#of(topic).doubted;
  }

  doubted(): string[] {
    return [...this.#topics].filter(([, { doubted }]) => doubted).map(([topic]) => topic);
  }

  /** The doubt was passed on: from now on the topic as it was last seen is the right one. */
  trust(topic: string): void {
    this.#of(topic).doubted = false;
  }
}
