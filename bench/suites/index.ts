// All suites, in the order of --help.
import { cost } from './cost.ts';
import { quick } from './quick.ts';
import type { Suite } from './suite.ts';
import { full, limits, rival, same } from './throughput.ts';

export const SUITES: readonly Suite[] = [quick, rival, limits, same, full, cost];
