import { setTimeout as sleep } from 'node:timers/promises';
import { FileUnavailableError, InvalidFileError } from '../../activities/file-ports.ts';
import { LogIdentityError, type LogSession } from '../../activities/ports.ts';
import type { FileCursor } from './cursor.ts';
import { FileChangedError } from './place.ts';

export interface FileReadingLimits {
  /** Most bytes of events that wait to be handed out. */
  maxBufferedBytes: number;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;

/** Reads ranges one after the other. */
export function openFileSession(cursors: readonly FileCursor[], { maxBufferedBytes }: FileReadingLimits): LogSession {
  const closing = new AbortController();
  let trouble: string | null = null;
  let failures = 0;

  /** Reads some more, waits out what may heal, and gives up at the time or when the signal aborts. */
  async function readMore(cursor: FileCursor, until: number | null, signal: AbortSignal): Promise<void> {
    try {
      await unless(cursor.pull(), until, signal);
      failures = 0;
      trouble = null;
    } catch (error) {
      if (error instanceof FileChangedError) throw new LogIdentityError(cursor.topic);
      if (!(error instanceof FileUnavailableError || error instanceof InvalidFileError)) throw error;
      trouble = error.message;
      failures += 1;
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
      await sleep(until === null ? pause : Math.min(pause, Math.max(0, until - performance.now())), undefined, {
        signal,
      }).catch(() => {});
    }
  }

  return {
    async next({ maxRecords, maxBytes = Number.POSITIVE_INFINITY, lingerMs, signal }) {
      const cursor = cursors.find(({ finished }) => !finished);
      if (cursor === undefined) return [];
      const stop = AbortSignal.any([signal, closing.signal]);
      while (!stop.aborted) {
        const since = cursor.waitingSince;
        const until = since === null ? null : since + lingerMs;
        const isDue =
          cursor.readAll ||
          cursor.waitingRecords >= maxRecords ||
          cursor.waitingBytes >= Math.min(maxBytes, maxBufferedBytes) ||
          (until !== null && performance.now() >= until);
        const slice = isDue ? cursor.take(maxRecords, maxBytes) : null;
        if (slice !== null) return [slice];
        await readMore(cursor, until, stop);
      }
      return [];
    },

    get finished() {
      return cursors.every(({ finished }) => finished);
    },

    get trouble() {
      return trouble;
    },

    async close() {
      closing.abort();
      for (const cursor of cursors) cursor.release();
    },
  };
}

/** Waits for work, but no longer than a time of the monotonic clock, or until the signal aborts. */
async function unless(work: Promise<void>, until: number | null, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const stop = () => over.resolve();
  const timer = until === null ? undefined : setTimeout(stop, Math.max(0, until - performance.now()));
  signal.addEventListener('abort', stop);
  // Work that is left alone goes on, and whoever asks for more joins it; its failure must not go unhandled until then.
  work.catch(() => {});
  try {
    await Promise.race([work, over.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  }
}
