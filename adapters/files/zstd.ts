import { Readable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

/**
 * Uncompresses a file of one or more frames. Node's own stream ends with the first frame as soon as a buffer holds the
 * beginning of another, and says nothing of what it leaves out; so each frame gets a stream of its own, and what one
 * did not take goes to the next.
 * @param chunkBytes what comes out at a time
 */
export function unzstd(stored: Readable, chunkBytes: number): Readable {
  return Readable.from(frames(stored, chunkBytes), { highWaterMark: 1 });
}

async function* frames(stored: Readable, chunkBytes: number): AsyncGenerator<Buffer> {
  const input = (stored as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  /** What was asked of the file and has not arrived: it belongs to whichever frame is read then. */
  let arriving: Promise<IteratorResult<Buffer>> | null = null;
  let isOver = false;
  let left: Buffer[] = [];

  async function* feed(frame: Frame, first: readonly Buffer[]): AsyncGenerator<Buffer> {
    for (const buffer of first) yield frame.fed(buffer);
    while (!isOver) {
      arriving ??= input.next();
      const { value, done } = await arriving;
      if (frame.ended) return;
      arriving = null;
      if (done) isOver = true;
      else yield frame.fed(value);
    }
  }

  try {
    while (!isOver || left.length > 0) {
      const frame = new Frame(chunkBytes);
      const source = Readable.from(feed(frame, left), { highWaterMark: 1 });
      source.once('error', (error) => frame.stream.destroy(error));
      source.pipe(frame.stream);
      try {
        yield* frame.stream as AsyncIterable<Buffer>;
      } finally {
        left = frame.end();
        source.destroy();
      }
    }
  } finally {
    stored.destroy();
  }
}

/** One frame being read, and the buffers that it has not taken to their ends. */
class Frame {
  readonly stream: ReturnType<typeof createZstdDecompress>;
  ended = false;
  #buffers: Buffer[] = [];
  /** Bytes before the first of the buffers. */
  #passed = 0;

  constructor(chunkBytes: number) {
    this.stream = createZstdDecompress({ chunkSize: chunkBytes });
  }

  fed(buffer: Buffer): Buffer {
    this.#dropTaken();
    this.#buffers.push(buffer);
    return buffer;
  }

  #dropTaken(): void {
    for (let [first] = this.#buffers; first !== undefined; [first] = this.#buffers) {
      if (this.#passed + first.length > this.stream.bytesWritten) return;
      this.#passed += first.length;
      this.#buffers.shift();
    }
  }

  /** @returns what is left for the next frame */
  end(): Buffer[] {
    this.ended = true;
    this.#dropTaken();
    const [first, ...others] = this.#buffers;
    return first === undefined ? [] : [first.subarray(this.stream.bytesWritten - this.#passed), ...others];
  }
}
