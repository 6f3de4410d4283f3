import { FileUnavailableError, InvalidFileError, type OpenedFile } from '../../activities/file-ports.ts';
import {
  type LogReader,
  LogUnavailableError,
  type PartitionBounds,
  type TopicPartition,
} from '../../activities/ports.ts';
import { endOf, FileCursor } from './cursor.ts';
import type { FileStore } from './files.ts';
import { FileChangedError } from './place.ts';
import { type FileReadingLimits, openFileSession } from './session.ts';

const DEFAULT_LIMITS: FileReadingLimits = { maxBufferedBytes: 64 * 1024 ** 2 };

/** Reads files as logs: those that it is told of, each a topic with the one partition 0. */
export function createFileReader(
  store: FileStore,
  opened: readonly OpenedFile[],
  options: Partial<FileReadingLimits> = {},
): LogReader {
  const limits = { ...DEFAULT_LIMITS, ...options };
  const files = new Map(opened.map((file) => [file.topic, file]));

  function fileOf({ topic, partition }: TopicPartition): OpenedFile {
    const file = files.get(topic);
    if (file === undefined || partition !== 0) throw new Error(`${topic}[${partition}] is no file that was opened`);
    return file;
  }

  const open: LogReader['open'] = (ranges) =>
    openFileSession(
      ranges.map((range) => new FileCursor(store, fileOf(range), range)),
      limits,
    );

  async function boundsOf(at: TopicPartition): Promise<PartitionBounds> {
    const file = fileOf(at);
    const { version } = await asked(() => store.versions.now(file.uri));
    return { topic: at.topic, partition: at.partition, earliest: 1, end: endOf(file), topicId: version };
  }

  return {
    open,
    partitions: async (topics) =>
      [...new Set(topics)]
        .filter((topic) => files.has(topic))
        .sort()
        .map((topic) => ({ topic, partition: 0 })),
    bounds: (partitions) => Promise.all(partitions.map(boundsOf)),
    async readOne({ topic, partition, offset }) {
      const session = open([{ topic, partition, from: offset, to: offset + 1 }]);
      try {
        const [slice] = await session.next({ maxRecords: 1, lingerMs: 0, signal: AbortSignal.timeout(READ_ONE_MS) });
        if (slice === undefined) throw new LogUnavailableError(session.trouble ?? `${topic} was not read in time`);
        return slice.records[0] ?? null;
      } finally {
        await session.close();
      }
    },
  };
}

const READ_ONE_MS = 30_000;

/** @throws LogUnavailableError for whatever may heal: a file that is gone may come back */
async function asked<T>(question: () => Promise<T>): Promise<T> {
  try {
    return await question();
  } catch (error) {
    if (
      error instanceof FileUnavailableError ||
      error instanceof InvalidFileError ||
      error instanceof FileChangedError
    ) {
      throw new LogUnavailableError(error.message);
    }
    throw error;
  }
}
