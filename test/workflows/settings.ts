import type { IngestionSettings } from '../../workflows/contracts.ts';

export function settingsOf(consumerGroup: string, lanes: number): IngestionSettings {
  return {
    consumerGroup,
    topics: ['crm.leads'],
    lanes,
    startPosition: 'earliest',
    outOfRange: 'fail',
    sliceMs: 300_000,
    laneTimeoutMs: 5_000,
  };
}
