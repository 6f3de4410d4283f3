// The same encoded event under another id: nothing is encoded while latency is measured.

/** Magic byte and schema id, then the length of the first field, which is the event's id in every schema here. */
const ID_AT = 6;
const ID_LENGTH = 36;
/** The zigzag varint of that length. */
const LENGTH_BYTE = ID_LENGTH * 2;
/** The digits that differ from lap to lap: the first, so that the ids of a lap lie as far apart as random ones. */
const STAMPED_DIGITS = 8;

/** @throws Error for a message that does not begin with a UUID */
export function idOf(value: Buffer): string {
  if (value[ID_AT - 1] !== LENGTH_BYTE) throw new Error('the first field of the event is no UUID');
  return value.toString('latin1', ID_AT, ID_AT + ID_LENGTH);
}

/** An id's copy for a lap. Laps up to 2^32 give ids that differ from each other; lap 0 is none of the id itself. */
export function stampedId(id: string, lap: number): string {
  const first = Number.parseInt(id.slice(0, STAMPED_DIGITS), 16);
  return (
    mixed(first + lap)
      .toString(16)
      .padStart(STAMPED_DIGITS, '0') + id.slice(STAMPED_DIGITS)
  );
}

/** A copy of a message with the lap's id. @param id as `idOf` tells it */
export function stamped(value: Buffer, id: string, lap: number): Buffer {
  const copy = Buffer.from(value);
  copy.write(stampedId(id, lap), ID_AT, 'latin1');
  return copy;
}

/** The finalizer of MurmurHash3: neighbours become far apart, and no two numbers become one. */
function mixed(number: number): number {
  let bits = number >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
