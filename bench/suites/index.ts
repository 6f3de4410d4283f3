// All suites, in the order of --help.
import { builds } from './builds.ts';
import { columns } from './columns.ts';
import { cost } from './cost.ts';
import { flood } from './flood.ts';
import { latency } from './latency.ts';
import { pages } from './pages.ts';
import { quick } from './quick.ts';
import { scale } from './scale.ts';
import { soak } from './soak.ts';
import type { Suite } from './suite.ts';
import { full, limits, rival, same } from './throughput.ts';

export const SUITES: readonly Suite[] = [
  quick,
  builds,
  rival,
  limits,
  same,
  full,
  cost,
  latency,
  scale,
  soak,
  columns,
  pages,
  flood,
];
