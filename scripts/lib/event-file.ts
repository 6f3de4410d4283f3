/** Files of encoded events, one JSON object a line: sent again they are the same to the byte. */
import { type FileHandle, open } from 'node:fs/promises';
import { z } from 'zod';
import { TOPIC_ROLES } from '../../domain/schemas.ts';
import type { RoleRecord } from './send-records.ts';

export interface SavedEvent extends RoleRecord {
  /** null for an invalid event. */
  eventId: string | null;
}

/** The file can't be read or written, or holds something else; the message names it. */
export class EventFileError extends Error {
  override readonly name = 'EventFileError';
}

const savedLine = z.object({
  eventId: z.string().nullable(),
  role: z.enum(TOPIC_ROLES),
  key: z.string(),
  value: z.base64(),
});

export interface EventFileWriter {
  append(events: readonly SavedEvent[]): Promise<void>;
  close(): Promise<void>;
}

/** Begins a new file, in place of one that is there. @throws EventFileError */
export async function createEventFile(path: string): Promise<EventFileWriter> {
  const file = await openFile(path, 'w');
  return {
    async append(events) {
      const lines = events.map(({ eventId, role, key, value }) =>
        JSON.stringify({ eventId, role, key, value: value.toString('base64') }),
      );
      await file.appendFile(lines.map((line) => `${line}\n`).join(''));
    },
    close: () => file.close(),
  };
}

/** The events of a file in their order. @throws EventFileError */
export async function* readEventFile(path: string): AsyncGenerator<SavedEvent, void, void> {
  const file = await openFile(path, 'r');
  let number = 0;
  for await (const line of file.readLines()) {
    number += 1;
    yield parseLine(line, `${path}, line ${number}`);
  }
}

async function openFile(path: string, flags: 'r' | 'w'): Promise<FileHandle> {
  try {
    return await open(path, flags);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw new EventFileError(`${path} can't be opened (${code})`);
  }
}

function parseLine(line: string, where: string): SavedEvent {
  const parsed = savedLine.safeParse(parseJson(line));
  if (!parsed.success) throw new EventFileError(`${where}: not an event as --save writes it`);
  return { ...parsed.data, value: Buffer.from(parsed.data.value, 'base64') };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
