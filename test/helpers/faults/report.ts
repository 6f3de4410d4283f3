/** What a scenario found. */
export interface FaultReport {
  fault: string;
  seed: string;
  /** Records that Kafka acknowledged. */
  produced: number;
  lost: number;
  doubled: number;
  /** The longest of all rounds; null where there was nothing to recover from. */
  recoverySeconds: number | null;
  /** How often the fault happened. */
  rounds: number;
}

export function faultLine({ fault, seed, produced, lost, doubled, recoverySeconds, rounds }: FaultReport): string {
  const recovered = recoverySeconds === null ? '' : `, recovered in ${recoverySeconds.toFixed(1)} s`;
  return `fault: ${fault} (${rounds}×), seed ${seed}: produced ${produced}, lost ${lost}, doubled ${doubled}${recovered}`;
}
