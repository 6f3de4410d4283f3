/** What `npm run keys:rotate` tells of its end. */
import type { RotationResult } from '../../adapters/postgres/key-rotation.ts';
import type { KeyRing } from '../../platform/key-ring.ts';

/**
 * @returns lines for people, and whether nothing is left to do
 */
export function rotationReport(
  { rewrapped, sealed, keys, unknown, readable }: RotationResult,
  { current, all }: KeyRing,
): { lines: string[]; complete: boolean } {
  const lines = [
    `${rewrapped} data keys wrapped again with key "${current.id}", ${sealed} messages and corrections sealed`,
  ];
  for (const { keyId, dataKeys } of keys) {
    if (unknown.includes(keyId)) {
      lines.push(`${dataKeys} data keys are wrapped with key "${keyId}", which is not configured: add it to DATA_KEYS`);
    } else if (keyId !== current.id) {
      lines.push(
        `${dataKeys} data keys were just wrapped with key "${keyId}": restart what writes with it, and run this again`,
      );
    }
  }
  if (readable > 0) {
    lines.push(`${readable} messages and corrections were kept readable meanwhile: something writes without DATA_KEYS`);
  }
  const used = new Set(keys.map(({ keyId }) => keyId));
  for (const keyId of all.keys()) {
    if (keyId !== current.id && !used.has(keyId)) {
      lines.push(`key "${keyId}" is no longer used: take it out of DATA_KEYS once every process has the current one`);
    }
  }
  return { lines, complete: readable === 0 && keys.every(({ keyId }) => keyId === current.id) };
}
