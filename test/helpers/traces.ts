import { createReadStream } from 'node:fs';
import { type CommonQueryMethods, sql } from 'slonik';
import { z } from 'zod';

/** The forms in which a text may stand somewhere: as it is, in hexadecimal, and in base64 wherever it begins there. */
export function tracesOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((before) => {
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    // Without the characters at both ends that depend on what stands beside it.
    return encoded.slice(before === 0 ? 0 : before + 1, encoded.length - 4);
  });
  return [text, bytes.toString('hex'), ...base64];
}

/** Tables of the product with a row that holds one of the texts in any column and form. */
export async function tablesHolding(pool: CommonQueryMethods, texts: readonly string[]): Promise<string[]> {
  const traces = texts.flatMap(tracesOf);
  const tables = await pool.anyFirst(sql.type(z.object({ name: z.string() }))`
    SELECT c.relname AS name FROM pg_class c
    WHERE c.relkind = 'r' AND c.relnamespace = 'analytics'::regnamespace
    ORDER BY 1
  `);
  const found: string[] = [];
  for (const name of tables) {
    const holds = await pool.exists(sql.unsafe`
      SELECT 1 FROM ${sql.identifier(['analytics', name])} t
      WHERE EXISTS (SELECT 1 FROM unnest(${sql.array(traces, 'text')}) AS trace WHERE strpos(t::text, trace) > 0)
    `);
    if (holds) found.push(name);
  }
  return found;
}

/** Which of the texts stand in a file, in any form. */
export async function textsInFile(path: string, texts: readonly string[]): Promise<string[]> {
  const traces = texts.map((text) => ({ text, forms: tracesOf(text) }));
  const longest = Math.max(...traces.flatMap(({ forms }) => forms.map((form) => form.length)));
  const found = new Set<string>();
  let before = '';
  for await (const chunk of createReadStream(path, { encoding: 'latin1', highWaterMark: 4 * 2 ** 20 })) {
    const window = before + String(chunk);
    for (const { text, forms } of traces) if (forms.some((form) => window.includes(form))) found.add(text);
    before = window.slice(-longest);
  }
  return [...found];
}
