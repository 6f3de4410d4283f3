/** What a redrive would do, found out without writing anything. Plain functions: the API calls them. */
import { applyFix } from '../domain/fix-rule.ts';
import { decodeFailed } from './deliver-failed.ts';
import type { FailedEvents } from './failed-ports.ts';
import { type Checked, deliverDecoded, type IngestRules } from './ingest.ts';
import type { EventDecoder } from './ports.ts';
import type { RedriveScope, Redrives } from './redrive-ports.ts';

/** Events that would end the same way, with some of their ids. */
export interface WouldBe {
  events: number;
  examples: number[];
}

export interface DryRun {
  /** Events that were tried, the oldest first; less than match when there are more than a dry run takes. */
  examined: number;
  stage: WouldBe;
  filter: WouldBe;
  /** Their ids are staged already, or come twice among those that were tried. */
  skip: WouldBe;
  /** Redriven in vain too often, and nothing about them is new. */
  leftOut: number;
  /** Those with most events first. */
  fail: Array<WouldBe & { code: string; field: string | null }>;
}

export interface DryRunDeps {
  redrives: Pick<Redrives, 'page' | 'known'>;
  failed: Pick<FailedEvents, 'take'>;
  decoder: EventDecoder;
  rules: IngestRules;
  mostRedrives: number;
}

/** Most events of a dry run: a sample answers while a person waits. */
export const MOST_EXAMINED = 10_000;

const PAGE = 1_000;
const EXAMPLES = 5;

/**
 * Decodes, mends and checks the events as a redrive would.
 * @throws WriteError, RegistryUnavailableError
 */
export async function dryRun(deps: DryRunDeps, scope: RedriveScope): Promise<DryRun> {
  const { redrives, failed, decoder, rules, mostRedrives } = deps;
  const tally = createTally();
  await rules.late.refresh();
  let after = 0;
  for (let left = MOST_EXAMINED; left > 0; ) {
    const page = await redrives.page(scope, { after, limit: Math.min(PAGE, left), mostRedrives });
    if (page === null) break;
    tally.leftOut(page.leftOut);
    const outcomes: Array<{ failedId: number; outcome: Checked }> = [];
    for (const event of await failed.take(page.failedIds)) {
      const decoded = await decodeFailed(event, decoder);
      const mended = decoded.ok && scope.fix !== null ? applyFix(decoded.event, scope.fix) : null;
      const outcome = deliverDecoded(
        event.record,
        event.source.topic,
        decoded.ok && mended !== null ? { ...decoded, event: mended } : decoded,
        rules,
        Date.now(),
      );
      outcomes.push({ failedId: event.failedId, outcome });
    }
    const ids = outcomes.flatMap(({ outcome }) => (outcome.kind === 'stage' ? [outcome.event.eventId] : []));
    const known = await redrives.known(ids);
    for (const { failedId, outcome } of outcomes) tally.add(failedId, outcome, known);
    left -= page.failedIds.length + page.leftOut;
    after = page.last;
  }
  return tally.result();
}

function createTally() {
  const staged = new Set<string>();
  const stage = none();
  const filter = none();
  const skip = none();
  const fail = new Map<string, DryRun['fail'][number]>();
  let leftOut = 0;
  return {
    leftOut(events: number): void {
      leftOut += events;
    },

    add(failedId: number, outcome: Checked, known: ReadonlySet<string>): void {
      switch (outcome.kind) {
        case 'stage': {
          const { eventId } = outcome.event;
          note(known.has(eventId) || staged.has(eventId) ? skip : stage, failedId);
          staged.add(eventId);
          break;
        }
        case 'filtered':
        case 'passed':
          note(filter, failedId);
          break;
        case 'rejected': {
          const { code, field = null } = outcome.rejection;
          const key = `${code} ${field}`;
          const alike = fail.get(key) ?? { code, field, ...none() };
          note(alike, failedId);
          fail.set(key, alike);
        }
      }
    },

    result(): DryRun {
      const fails = [...fail.values()].toSorted((a, b) => b.events - a.events);
      const examined = [stage, filter, skip, ...fails].reduce((sum, { events }) => sum + events, leftOut);
      return { examined, stage, filter, skip, leftOut, fail: fails };
    },
  };
}

function none(): WouldBe {
  return { events: 0, examples: [] };
}

function note(alike: WouldBe, failedId: number): void {
  alike.events += 1;
  if (alike.examples.length < EXAMPLES) alike.examples.push(failedId);
}
