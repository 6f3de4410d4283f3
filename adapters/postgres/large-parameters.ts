/**
 * Sends large parameters without copying them. pg 8.23 puts each message together in one buffer that it grows by half
 * again and again: a batch of 2.5 MiB leaves three times as much garbage outside the heap, and what waits there makes the
 * engine collect its whole heap several times a second. That was a third of what writing cost this process (see
 * bench/RESULTS.md). pg has no setting for it, so the one method that sends parameters is replaced for such messages.
 */
import pg from 'pg';

type BindConfig = NonNullable<Parameters<pg.Connection['bind']>[0]>;
type Value = Buffer | string | null | undefined;

/** From here on copying costs more than several writes. */
const LARGE_BYTES = 65_536;
/** PostgreSQL documentation, "Message Formats", Bind. */
const BIND = 0x42;
const NULL_LENGTH = -1;
const TEXT = 0;
const BINARY = 1;

let installed = false;

/** Takes effect for all connections of this process; calling it again does nothing. */
export function sendLargeParametersAsTheyAre(): void {
  if (installed) {
    return;
  }
  installed = true;
  const { prototype } = pg.Connection;
  const original = prototype.bind;
  prototype.bind = function bind(this: pg.Connection, config: BindConfig, more: boolean): void {
    if (!isLarge(config)) {
      original.call(this, config, more);
      return;
    }
    const parts = bindMessage(config);
    if (!this.stream.writable) {
      return; // as pg does: the query fails with the connection
    }
    this.stream.cork();
    for (const part of parts) {
      this.stream.write(part);
    }
    this.stream.uncork();
  };
}

function isLarge({ values = [] }: BindConfig): boolean {
  let bytes = 0;
  for (const value of values) {
    if (Buffer.isBuffer(value)) {
      bytes += value.length;
    }
  }
  return bytes >= LARGE_BYTES;
}

function bindMessage({ portal, statement, values = [], valueMapper, binary }: BindConfig): Buffer[] {
  const mapped: Value[] = values.map((value, index) => (valueMapper ? valueMapper(value, index) : value));
  const formats = mapped.map((value) => (Buffer.isBuffer(value) ? BINARY : TEXT));
  const body = [
    Buffer.from(`${portal ?? ''}\0${statement ?? ''}\0`),
    int16s([formats.length, ...formats, mapped.length]),
    ...mapped.flatMap(parameter),
    int16s([1, binary ? BINARY : TEXT]),
  ];
  const head = Buffer.alloc(5);
  head[0] = BIND;
  head.writeInt32BE(
    body.reduce((sum, part) => sum + part.length, 4),
    1,
  );
  return [head, ...body];
}

function parameter(value: Value): Buffer[] {
  const length = Buffer.alloc(4);
  if (value === null || value === undefined) {
    length.writeInt32BE(NULL_LENGTH);
    return [length];
  }
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(value);
  length.writeInt32BE(bytes.length);
  return [length, bytes];
}

function int16s(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) {
    bytes.writeInt16BE(value, index * 2);
  }
  return bytes;
}
