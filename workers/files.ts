/** From configuration to files that are read as logs. */
import { isFileTopic } from '../activities/file-ports.ts';
import type { EventDecoder } from '../activities/ports.ts';
import { createFileDecoder, createFiles, type FileStore } from '../adapters/files/index.ts';
import { compileAvro } from '../adapters/registry/index.ts';
import type { Config } from '../platform/config.ts';

/** About so much of a file is one piece of work. */
export const CHUNK_BYTES = 32 * 2 ** 20;

/** Where backfills find their files; nothing is connected to before it is asked. */
export function openFiles({ files }: Config): FileStore {
  return createFiles({ ...files, compileAvro });
}

/** One decoder for all topics: those of Kafka, and those that are files. */
export function withFiles(ofKafka: EventDecoder): EventDecoder {
  const ofFiles = createFileDecoder();
  return {
    decode: (value, topic) =>
      topic !== undefined && isFileTopic(topic) ? ofFiles.decode(value, topic) : ofKafka.decode(value, topic),
  };
}
