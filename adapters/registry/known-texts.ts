/**
 * Short texts that were read lately, such as event types, states and ids of organizations. They come again and again:
 * to compare a few bytes costs less than a call into the engine's decoder, and one text for all less memory.
 */

/** In bytes; what is longer is mostly unique. */
export const LONGEST_KNOWN = 16;

const SLOTS = 1_024;

/** Of a fixed size: each text has one slot, and takes it from the text that was there. */
export class KnownTexts {
  readonly #texts = Array<string>(SLOTS).fill('');
  /** The text of each slot as it was in its message. */
  readonly #bytes = new Uint8Array(SLOTS * LONGEST_KNOWN);
  readonly #lengths = new Uint8Array(SLOTS);

  /**
   * @param to at most `LONGEST_KNOWN` after `from`
   * @returns the text of exactly these bytes, undefined when it is not known
   */
  find(bytes: Uint8Array, from: number, to: number): string | undefined {
    const slot = slotOf(bytes, from, to);
    if (this.#lengths[slot] !== to - from) return undefined;
    for (let at = from, kept = slot * LONGEST_KNOWN; at < to; at++, kept++) {
      if (bytes[at] !== this.#bytes[kept]) return undefined;
    }
    return this.#texts[slot];
  }

  /** @param text of the bytes from `from` to `to`, at most `LONGEST_KNOWN` of them */
  keep(text: string, bytes: Uint8Array, from: number, to: number): void {
    const slot = slotOf(bytes, from, to);
    this.#texts[slot] = text;
    this.#lengths[slot] = to - from;
    for (let at = from, kept = slot * LONGEST_KNOWN; at < to; at++, kept++) {
      this.#bytes[kept] = bytes[at] as number;
    }
  }
}

function slotOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0;
  for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  return (hash ^ (hash >>> 10)) & (SLOTS - 1);
}
