import type { SuppressionList } from './ports.ts';

/** The list while nobody was erased. */
export const NOBODY: SuppressionList = { version: 0, hides: () => false, refresh: async () => {} };
