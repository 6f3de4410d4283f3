import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createEventFile, EventFileError, readEventFile, type SavedEvent } from '../../../scripts/lib/event-file.ts';

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'events-'));
});

afterEach(() => rm(dir, { recursive: true }));

const EVENTS: SavedEvent[] = [
  { eventId: 'a', role: 'leads', key: 'Zoë', value: Buffer.from([0, 255, 10, 13, 128]) },
  { eventId: null, role: 'events', key: 'k', value: Buffer.alloc(0) },
  { eventId: 'b', role: 'opportunities', key: 'line\nbreak', value: Buffer.from('{"x":1}\n') },
];

async function readAll(file: string): Promise<SavedEvent[]> {
  const events: SavedEvent[] = [];
  for await (const event of readEventFile(file)) events.push(event);
  return events;
}

describe('a file of events', () => {
  it('gives back what was written, to the byte', async () => {
    const file = path.join(dir, 'events');
    const writer = await createEventFile(file);
    await writer.append(EVENTS.slice(0, 2));
    await writer.append([]);
    await writer.append(EVENTS.slice(2));
    await writer.close();
    expect(await readAll(file)).toEqual(EVENTS);
  });

  it.each([
    ['another text', 'hello'],
    ['another role', '{"eventId":null,"role":"deals","key":"k","value":""}'],
    ['no base64', '{"eventId":null,"role":"leads","key":"k","value":"é"}'],
  ])('names the line that is none of ours: %s', async (_, line) => {
    const file = path.join(dir, 'events');
    await writeFile(file, `{"eventId":"a","role":"leads","key":"k","value":"AA=="}\n${line}\n`);
    const reading = readAll(file);
    await expect(reading).rejects.toThrow(new EventFileError(`${file}, line 2: not an event as --save writes it`));
  });

  it('says which file is missing', async () => {
    const file = path.join(dir, 'nowhere');
    await expect(readAll(file)).rejects.toThrow(`${file} can't be opened (ENOENT)`);
  });
});
