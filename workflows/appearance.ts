/** How an ingestion looks in the Temporal UI and CLI. */
import { defineSearchAttributeKey } from '@temporalio/common';
import { setCurrentDetails, upsertSearchAttributes } from '@temporalio/workflow';
import { type IngestionPhase, SEARCH_ATTRIBUTES } from './contracts.ts';
import { describePartitions } from './deal.ts';
import type { Ingestion } from './ingestion-model.ts';

const PHASE = defineSearchAttributeKey(SEARCH_ATTRIBUTES.phase, 'KEYWORD');
const RUN_ID = defineSearchAttributeKey(SEARCH_ATTRIBUTES.runId, 'KEYWORD');

/** Costs an event of history, so it is for changes alone. */
export function publishPhase(ingestion: Ingestion, phase: IngestionPhase): void {
  upsertSearchAttributes([
    { key: PHASE, value: phase },
    { key: RUN_ID, value: ingestion.state.runId },
  ]);
}

/** Costs nothing: it is read when someone looks. Markdown. */
export function publishDetails({ state }: Ingestion, phase: IngestionPhase): void {
  const { stored, skipped, filtered, failed, dead } = state.totals;
  const parked = new Map(state.parked.map(({ lane, reason }) => [lane, reason]));
  const lanes = state.assignments.map((partitions, lane) => {
    const reason = parked.get(lane);
    return `- lane ${lane}: ${describePartitions(partitions) || 'nothing to read'}${reason ? ` — parked: ${reason}` : ''}`;
  });
  setCurrentDetails(
    [
      `**${phase}**`,
      `${stored} stored, ${skipped} skipped, ${filtered} filtered, ${failed} failed, ${dead} dead in ${state.slices} finished slices`,
      ...lanes,
    ].join('\n\n'),
  );
}

/** The server takes up to 400 bytes of summary. */
const SUMMARY_CHARACTERS = 200;

export function laneSummary(lane: number, partitions: Parameters<typeof describePartitions>[0]): string {
  return `lane ${lane}: ${describePartitions(partitions)}`.slice(0, SUMMARY_CHARACTERS);
}
