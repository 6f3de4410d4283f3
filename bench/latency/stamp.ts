// The same encoded event as if it happened again: under another id and at another time. Nothing is encoded while latency is measured.

/** Magic byte and schema id, then the length of the first field, which is the event's id in every schema here. */
const ID_AT = 6;
const ID_LENGTH = 36;
/** The zigzag varint of that length. */
const LENGTH_BYTE = ID_LENGTH * 2;
/** The digits that differ from lap to lap: the first, so that the ids of a lap lie as far apart as random ones. */
const STAMPED_DIGITS = 8;
/** Event type and organization lie between the id and the time, in every schema here. */
const TEXTS_BEFORE_TIME = 2;
/** A zigzag varint of milliseconds since 1970 takes so many bytes from 1987 to 2039. */
const TIME_BYTES = 6;
const MORE = 0x80;

/** What is stamped, and where. */
export interface Stampable {
  id: string;
  value: Buffer;
  /** Where the bytes of the event's time begin. */
  timeAt: number;
}

/** @throws Error for a message that does not begin with a UUID, two short texts and a time of our days */
export function stampable(value: Buffer): Stampable {
  if (value[ID_AT - 1] !== LENGTH_BYTE) throw new Error('the first field of the event is no UUID');
  let timeAt = ID_AT + ID_LENGTH;
  for (let text = 0; text < TEXTS_BEFORE_TIME; text += 1) {
    const length = value[timeAt] ?? MORE;
    if (length >= MORE) throw new Error('a text before the time of the event has 64 bytes or more');
    timeAt += 1 + length / 2;
  }
  const last = value.subarray(timeAt, timeAt + TIME_BYTES).findIndex((byte) => byte < MORE);
  if (last !== TIME_BYTES - 1) throw new Error('the fourth field of the event is no time of our days');
  return { id: value.toString('latin1', ID_AT, ID_AT + ID_LENGTH), value, timeAt };
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

/** A copy of a message with the lap's id. @param at when it happened, in epoch milliseconds */
export function stamped({ id, value, timeAt }: Stampable, lap: number, at: number): Buffer {
  const copy = Buffer.from(value);
  copy.write(stampedId(id, lap), ID_AT, 'latin1');
  let rest = at * 2; // zigzag; too large for bit operators
  for (let byte = 0; byte < TIME_BYTES; byte += 1) {
    copy[timeAt + byte] = (rest % MORE) + (byte === TIME_BYTES - 1 ? 0 : MORE);
    rest = Math.floor(rest / MORE);
  }
  return copy;
}

/** The finalizer of MurmurHash3: neighbours become far apart, and no two numbers become one. */
function mixed(number: number): number {
  let bits = number >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
