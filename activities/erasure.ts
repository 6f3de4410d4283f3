import { ApplicationFailure, activityInfo } from '@temporalio/activity';
import { canonicalJson } from '../domain/canonical-json.ts';
import {
  type ErasureRecord,
  type ErasureReport,
  type ErasureSubject,
  identifierOf,
  identifiersOf,
  recordsOf,
} from '../domain/erasure.ts';
import { notSearched } from '../domain/erasure-limits.ts';
import { type Identifier, type IdentifierHash, tokenOf } from '../domain/suppression.ts';
import type {
  ErasureCheckpoint,
  ErasureConclusionInput,
  ErasureFailureInput,
  ErasureFindings,
  ErasureInput,
  ErasureResult,
} from '../workflows/erasure-contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import type { ReportSigner } from './audit-ports.ts';
import { createMessageSearch } from './erasure-messages.ts';
import { type Pass, passOver } from './erasure-pass.ts';
import type { ErasureStore, RunningErasure } from './erasure-ports.ts';
import { heartbeating } from './heartbeating.ts';
import type { EventDecoder, SuppressionList } from './ports.ts';
import { SuppressionKeyError } from './suppression.ts';

export interface ErasureDeps {
  erasures: ErasureStore;
  decoder: EventDecoder;
  suppression: SuppressionList;
  /** null without a key. */
  identifiers: IdentifierHash | null;
  /** null leaves reports unsigned. */
  signer: ReportSigner | null;
  /** Days after which unreadable dead letters are emptied; null for never. */
  failedRawKeepDays: number | null;
}

/** Makes the activities of an erasure. Each can be done again; histories see ids and numbers alone. */
export function createErasureActivities(deps: ErasureDeps) {
  const { erasures, decoder, suppression, identifiers, signer, failedRawKeepDays } = deps;

  /** Keeps everybody from writing about them, whoever has prepared rows already. */
  async function suppress(
    erasureId: string,
    named: readonly Identifier[],
    records: readonly ErasureRecord[],
  ): Promise<void> {
    // Hashes of another key beside those that are there would hide nobody.
    await suppression.refresh();
    if (identifiers === null) {
      throw new SuppressionKeyError('nobody can be erased without a key: set ERASURE_KEY_FILE or ERASURE_KEY');
    }
    const { keyId, hash } = identifiers;
    await erasures.suppress(
      erasureId,
      named.map((identifier) => ({ kind: identifier.kind, hash: hash(identifier), keyId })),
      records.map((record) => ({ ...record, token: tokenOf(hash(identifierOf(record))) })),
    );
  }

  /** An activity that goes through the tables, and on from its last heartbeat when it is tried again. */
  function tablePass<Progress extends ErasureCheckpoint, Result>(
    work: (erasure: RunningErasure, pass: Pass<Progress>) => Promise<Result>,
  ) {
    return withSafeFailures(({ erasureId }: ErasureInput) => {
      let latest: Progress | undefined = activityInfo().heartbeatDetails ?? undefined;
      const report = (progress: Progress) => {
        latest = progress;
      };
      return heartbeating(
        async (signal) => work(await running(erasures, erasureId), { from: latest, signal, report }),
        () => latest,
      );
    });
  }

  const searchOf = async (erasure: RunningErasure) =>
    createMessageSearch({ erasures, decoder }, erasure, await erasures.records(erasure.erasureId));

  return {
    suppressSubject: withSafeFailures(async ({ erasureId }: ErasureInput): Promise<void> => {
      const { subject } = await running(erasures, erasureId);
      await suppress(erasureId, identifiersOf(subject), recordsOf(subject));
    }),

    /**
     * Finds the records that bear an address, so that what they say without it goes as well. Suppressed all at once, since
     * each change of the list has all lanes prepare a batch again; an attempt that fails starts over.
     */
    resolveRecords: withSafeFailures(({ erasureId }: ErasureInput) =>
      heartbeating(async (signal): Promise<void> => {
        const erasure = await running(erasures, erasureId);
        if (erasure.subject.kind !== 'email') return;
        const found: ErasureRecord[] = [];
        await passOver(erasures, { from: undefined, signal, report: () => {} }, async (table, window) => {
          found.push(...(await erasures.findRecords(erasure, table, window)));
        });
        if (found.length > 0) await suppress(erasureId, found.map(identifierOf), found);
      }),
    ),

    eraseTables: tablePass<ErasureCheckpoint, void>(async (erasure, pass) => {
      await passOver(erasures, pass, (table, window) => erasures.eraseRows(erasure, table, window));
    }),

    eraseFailed: withSafeFailures(({ erasureId }: ErasureInput) =>
      heartbeating(async (signal): Promise<void> => {
        const erasure = await running(erasures, erasureId);
        const search = await searchOf(erasure);
        await search(signal, ({ failedIds }) => erasures.emptyFailed(erasure, failedIds));
      }),
    ),

    redactRequests: withSafeFailures(async ({ erasureId }: ErasureInput): Promise<void> => {
      await erasures.redactRequests(await running(erasures, erasureId));
    }),

    /** The proof: the same search once more, which must find nothing but what a legal hold keeps. */
    searchAgain: tablePass<ErasureCheckpoint & ErasureFindings, ErasureFindings>(async (erasure, pass) => {
      const { tables = 0, left = 0, held = 0 } = pass.from ?? {};
      const found: ErasureFindings = { tables, left, held, unreadable: 0 };
      const counted = { ...pass, report: (at: ErasureCheckpoint) => pass.report({ ...at, ...found }) };
      await passOver(erasures, counted, async (table, window) => {
        const rows = await erasures.countRows(erasure, table, window);
        found.tables += window.from === 0 ? 1 : 0;
        found.left += rows.left;
        found.held += rows.held;
      });
      const search = await searchOf(erasure);
      await search(pass.signal, async ({ failedIds, held: kept, unreadable }) => {
        found.left += failedIds.length;
        found.held += kept;
        found.unreadable += unreadable;
      });
      return found;
    }),

    /** Puts the report together, signs it and keeps it, and forgets whom it is about. */
    concludeErasure: withSafeFailures(async ({ erasureId, found }: ErasureConclusionInput): Promise<ErasureResult> => {
      const ended = await erasures.find(erasureId);
      // The answer of an earlier attempt may have been lost; what was signed stays.
      if (ended?.report) return resultOf(ended.report);
      const erasure = await running(erasures, erasureId);
      const { version, hashes, records } = await erasures.suppressed(erasureId);
      const report: ErasureReport = {
        erasureId,
        subject: { kind: erasure.subject.kind, hashes: hashesOf(erasure.subject, identifiers) },
        action: erasure.action,
        requestedBy: erasure.requestedBy,
        requestedAt: erasure.requestedAt,
        concludedAt: new Date().toISOString(),
        verdict: found.held === 0 ? 'erased' : 'held',
        suppression: { version, identifiers: hashes.length },
        records,
        places: await erasures.counts(erasureId),
        verification: found,
        notSearched: notSearched({
          failedRawKeepDays,
          foldsUnicode: erasure.foldsUnicode || erasure.subject.kind !== 'email',
          requestsInUse: await erasures.requestsInUse(erasure),
        }),
        signedBy: signer?.keyId ?? null,
      };
      await erasures.finish(erasureId, report, signer?.sign(canonicalJson(report)) ?? null);
      return resultOf(report);
    }),

    failErasure: withSafeFailures(({ erasureId, failure }: ErasureFailureInput) => erasures.fail(erasureId, failure)),
  };
}

async function running(erasures: Pick<ErasureStore, 'running'>, erasureId: string): Promise<RunningErasure> {
  const erasure = await erasures.running(erasureId);
  if (erasure === null) {
    throw ApplicationFailure.nonRetryable(`no erasure ${erasureId} is running in PostgreSQL`, 'UnknownErasure');
  }
  return erasure;
}

function hashesOf(subject: ErasureSubject, identifiers: IdentifierHash | null): string[] {
  return identifiers === null ? [] : identifiersOf(subject).map((identifier) => identifiers.hash(identifier));
}

function resultOf({ verdict, places }: ErasureReport): ErasureResult {
  return { verdict, rows: places.reduce((sum, { rows }) => sum + rows, 0) };
}
