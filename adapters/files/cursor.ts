import { type FileChunk, InvalidFileError, type OpenedFile } from '../../activities/file-ports.ts';
import { bytesOf, type LogRange, type LogRecord, type LogSlice } from '../../activities/ports.ts';
import { buffersOf, compressionOf, readLayout, unpacked } from './content.ts';
import type { FileStore } from './files.ts';
import type { Piece, Place, Splitter } from './pieces.ts';

/** Records as they come out of a piece of content. */
interface Stretch {
  records: LogRecord[];
  /** The offset behind it. */
  next: number;
  /** Where reading can begin again for what follows. */
  at: Place;
}

/** So many records are made at a time: a buffer may hold very many small ones. */
const STRETCH_RECORDS = 1_000;

/** One range of a file being read: what was read and not yet handed out, and how to go on. */
export class FileCursor {
  readonly topic: string;
  readonly #store: FileStore;
  readonly #file: OpenedFile;
  readonly #end: number;
  #handedOut: number;
  /** The offset behind what was read. */
  #covered: number;
  #at: Place;
  #waiting: LogRecord[] = [];
  #waitingSince: number | null = null;
  #bytes = 0;
  #source: AsyncGenerator<Stretch> | null = null;
  #pulling: Promise<void> | null = null;
  #stop = new AbortController();

  /** @throws Error for a range that begins before the chunks that are known */
  constructor(store: FileStore, file: OpenedFile, { from, to }: LogRange) {
    this.#store = store;
    this.#file = file;
    this.topic = file.topic;
    this.#end = to ?? endOf(file);
    this.#handedOut = from;
    this.#covered = from;
    this.#at = beginningFor(file, from);
  }

  get finished(): boolean {
    return this.#handedOut >= this.#end;
  }

  get readAll(): boolean {
    return this.#covered >= this.#end;
  }

  get waitingRecords(): number {
    return this.#waiting.length;
  }

  get waitingBytes(): number {
    return this.#bytes;
  }

  /** When the oldest offsets that wait were read, in milliseconds of the monotonic clock; null when none wait. */
  get waitingSince(): number | null {
    return this.#waitingSince;
  }

  /** Reads some more. A call while another is under way joins it. @throws what `buffersOf` and `readLayout` do */
  pull(): Promise<void> {
    this.#pulling ??= this.#read().finally(() => {
      this.#pulling = null;
    });
    return this.#pulling;
  }

  async #read(): Promise<void> {
    this.#source ??= this.#stretches(this.#stop.signal);
    const source = this.#source;
    let stretch: Stretch;
    try {
      const { value, done } = await source.next();
      if (done) throw new InvalidFileError(`${this.#file.uri} ends before offset ${this.#end}`);
      stretch = value;
    } catch (error) {
      // Whoever waited may have left: the next one opens it again.
      if (this.#source === source) this.release();
      throw error;
    }
    if (this.#source !== source) return;
    this.#waitingSince ??= performance.now();
    for (const record of stretch.records) {
      this.#waiting.push(record);
      this.#bytes += bytesOf(record);
    }
    this.#covered = Math.min(stretch.next, this.#end);
    this.#at = stretch.at;
  }

  /** From where reading stands on. */
  async *#stretches(stop: AbortSignal): AsyncGenerator<Stretch> {
    const { uri, version, reading } = this.#file;
    const place = this.#store.placeOf(uri);
    const stamp = this.#store.versions.stampOf(uri, version) ?? this.#file.stamp;
    const isWhole = compressionOf(uri) !== null;
    const open = (byte: number) => {
      const stored = place.open(uri, byte, stamp);
      stop.addEventListener('abort', () => stored.destroy(), { once: true });
      return unpacked(uri, stored);
    };
    const layout = await readLayout(this.#store.compileAvro, reading, () => buffersOf(open(0)));
    const at = isWhole || this.#at.byte === 0 ? { from: this.#at.from, byte: layout.firstByte } : this.#at;
    const splitter = layout.splitter(at);
    const skip = this.#covered;
    const content = isWhole ? buffersOf(open(0), at.byte) : buffersOf(open(at.byte));
    let stretch: Stretch = { records: [], next: skip, at };
    for await (const pieces of cutUp(content, splitter)) {
      for (const piece of pieces) {
        if (piece.next <= skip) continue;
        for (const record of layout.records(piece)) {
          if (record.offset >= skip && record.offset < this.#end) stretch.records.push(record);
        }
        stretch.next = piece.next;
        if (!isWhole) stretch.at = { from: piece.from, byte: piece.byte };
        if (piece.next >= this.#end) {
          yield stretch;
          return;
        }
        if (stretch.records.length >= STRETCH_RECORDS) {
          yield stretch;
          stretch = { ...stretch, records: [] };
        }
      }
      if (stretch.next > this.#covered) {
        yield stretch;
        stretch = { ...stretch, records: [] };
      }
    }
  }

  /** What waits, up to so many records and to the one that reaches the bytes; null when nothing waits. */
  take(maxRecords: number, maxBytes: number): LogSlice | null {
    if (this.#waitingSince === null) return null;
    let count = 0;
    for (let bytes = 0; count < Math.min(maxRecords, this.#waiting.length) && bytes < maxBytes; count += 1) {
      bytes += bytesOf(this.#waiting[count] as LogRecord);
    }
    const records = this.#waiting.splice(0, count);
    const next = this.#waiting[0]?.offset ?? this.#covered;
    for (const record of records) this.#bytes -= bytesOf(record);
    if (this.#waiting.length === 0) this.#waitingSince = null;
    const slice = {
      topic: this.topic,
      partition: 0,
      from: this.#handedOut,
      next,
      records,
      endOffset: endOf(this.#file),
    };
    this.#handedOut = next;
    return slice;
  }

  /** Lets go of the file; the next `pull` opens it again where reading stands. */
  release(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#source = null;
  }
}

/** The offset behind the last one of the chunks that are known. */
export function endOf({ chunks }: Pick<OpenedFile, 'chunks'>): number {
  return chunks.at(-1)?.to ?? 1;
}

function beginningFor({ uri, chunks }: OpenedFile, offset: number): Place {
  const holds = ({ from, to }: FileChunk) => from <= offset && offset < to;
  const chunk = chunks.find(holds) ?? chunks.at(-1);
  if (chunk === undefined || offset < chunk.from) {
    throw new Error(`${uri}: no chunk holds offset ${offset}; a reader must be told of all that it is to read`);
  }
  // A compressed file is read from its start, whatever chunk it is.
  return compressionOf(uri) === null ? { from: chunk.from, byte: chunk.byte } : { from: 1, byte: 0 };
}

async function* cutUp(content: AsyncIterable<Buffer>, splitter: Splitter): AsyncGenerator<Piece[]> {
  for await (const buffer of content) yield splitter.push(buffer);
  yield splitter.end();
}
