import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  type CompileAvro,
  type FileChunk,
  type Files,
  isFileTopic,
  type ScannedFile,
} from '../../activities/file-ports.ts';
import { buffersOf, compressionOf, readLayout, unpacked } from './content.ts';
import type { Piece } from './pieces.ts';
import type { FilePlace } from './place.ts';
import { createVersionHash } from './versions.ts';

/**
 * Reads a file from its beginning to its end, counts what is in it and divides it.
 * @throws FileUnavailableError, InvalidFileError, FileChangedError
 */
export async function scanFile(
  place: FilePlace,
  compile: CompileAvro,
  ...[{ uri }, reading, { chunkBytes, onProgress, signal }]: Parameters<Files['scan']>
): Promise<ScannedFile> {
  const { bytes, stamp } = await place.stat(uri);
  const layout = await readLayout(compile, reading, () => buffersOf(unpacked(uri, place.open(uri, 0, stamp))));
  const hash = createVersionHash();
  let read = 0;
  const stored = watched(place.open(uri, 0, stamp), (buffer) => {
    hash.update(buffer);
    read += buffer.length;
    onProgress(read);
  });
  const isWhole = compressionOf(uri) !== null;
  const divider = createDivider(isWhole ? Number.POSITIVE_INFINITY : chunkBytes);
  const splitter = layout.splitter({ from: 1, byte: layout.firstByte });
  for await (const buffer of buffersOf(unpacked(uri, stored), layout.firstByte)) {
    signal.throwIfAborted();
    divider.add(splitter.push(buffer));
  }
  divider.add(splitter.end());
  const chunks = isWhole ? divider.chunks.map((chunk) => ({ ...chunk, byte: 0 })) : divider.chunks;
  return { uri, bytes, topic: topicOf(uri), version: hash.digest('hex'), stamp, chunks };
}

function watched(stream: Readable, onBuffer: (buffer: Buffer) => void): Readable {
  async function* watch() {
    for await (const buffer of stream as AsyncIterable<Buffer>) {
      onBuffer(buffer);
      yield buffer;
    }
  }
  return Readable.from(watch(), { highWaterMark: 1 });
}

function createDivider(chunkBytes: number) {
  const chunks: FileChunk[] = [];
  return {
    chunks,
    add(pieces: readonly Piece[]): void {
      for (const { from, next, byte } of pieces) {
        const last = chunks.at(-1);
        if (last === undefined || byte - last.byte >= chunkBytes) chunks.push({ from, to: next, byte });
        else last.to = next;
      }
    },
  };
}

/** As long as a column for topics takes. */
const LONGEST_TOPIC = 249;
const HASH_CHARACTERS = 32;

/** The name of a file as a log; a longer one ends with a hash of the whole. */
export function topicOf(uri: string): string {
  const topic = isFileTopic(uri) ? uri : `file:${uri}`;
  if (topic.length <= LONGEST_TOPIC) return topic;
  const hash = createHash('sha256').update(uri).digest('hex').slice(0, HASH_CHARACTERS);
  return `${topic.slice(0, LONGEST_TOPIC - HASH_CHARACTERS - 1)}~${hash}`;
}
