/** All failed events of a filter, one JSON object a line. */
import { createRoute, z } from '@hono/zod-openapi';
import type { DeadLetterSearch, WholeDeadLetter } from '../../activities/dead-letter-ports.ts';
import { keepingScope } from '../../platform/scope.ts';
import { createRouter } from '../env.ts';
import { ProblemError, problemResponses } from '../errors.ts';
import { permits } from '../permits.ts';
import type { ApiDeps } from '../ports.ts';
import { NDJSON } from '../schemas.ts';
import { SearchSchema, searchOf } from './dead-letters-schemas.ts';
import { maySeePersonalData, wholeOf } from './dead-letters-view.ts';

/** Messages may have a megabyte each, and a page of them is in memory at once. */
const PAGE = 50;

const exporting = createRoute({
  method: 'get',
  path: '/dead-letters/export',
  ...permits('deadletter:read', 'organization'),
  tags: ['Dead letters'],
  summary: 'Failed events as NDJSON',
  description:
    'All that fit the filter, the newest first, one JSON object a line as of a single event. A connection that breaks before its end means that the export is not complete. With `raw=true` and the permission `pii:read` each line also has `raw`: the key, value and headers in Base64.',
  request: { query: SearchSchema.extend({ raw: z.enum(['true', 'false']).optional() }) },
  responses: {
    200: { description: 'The lines.', content: { [NDJSON]: { schema: z.string() } } },
    ...problemResponses('invalid-request', 'forbidden', 'internal', 'server-unavailable'),
  },
});

type ExportDeps = Pick<ApiDeps, 'deadLetters' | 'decoder' | 'logger'>;
type ListWhole = ExportDeps['deadLetters']['listWhole'];

export function deadLetterExportRoutes({ deadLetters, decoder, logger }: ExportDeps) {
  return createRouter().openapi(exporting, async (c) => {
    const { raw, ...query } = c.req.valid('query');
    const open = maySeePersonalData(c.get('principal'));
    if (raw === 'true' && !open) {
      throw new ProblemError('forbidden', 'Raw messages take the permission pii:read; leave raw=true out.');
    }
    const search = searchOf(query, c.get('principal'));
    // The first page before the answer begins: what keeps it from being read can then still be said.
    const first = await deadLetters.listWhole(search, { before: null, limit: PAGE });
    const listWhole = keepingScope<Parameters<ListWhole>, ReturnType<ListWhole>>((...page) =>
      deadLetters.listWhole(...page),
    );

    async function* lines(): AsyncGenerator<Uint8Array> {
      try {
        for await (const page of pages(listWhole, search, first)) {
          const texts = [];
          for (const letter of page) {
            const line = await wholeOf(letter, decoder, open);
            texts.push(`${JSON.stringify(raw === 'true' ? { ...line, raw: rawOf(letter) } : line)}\n`);
          }
          yield Buffer.from(texts.join(''));
        }
      } catch (error) {
        logger.warn('an export broke off', { requestId: c.get('requestId'), error });
        throw error;
      }
    }
    // Asks for a page only when there is room for it, and for no more of them when the client is gone.
    return c.body(ReadableStream.from(lines()), 200, { 'content-type': NDJSON });
  });
}

async function* pages(
  listWhole: ListWhole,
  search: DeadLetterSearch,
  first: WholeDeadLetter[],
): AsyncGenerator<WholeDeadLetter[]> {
  let page = first;
  for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
    yield page;
    page = await listWhole(search, { before: last.failedId, limit: PAGE });
  }
}

function rawOf({ key, value, headers }: WholeDeadLetter) {
  return { key: key?.toString('base64') ?? null, value: value?.toString('base64') ?? null, headers };
}
