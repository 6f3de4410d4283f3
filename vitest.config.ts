import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/global-setup.ts'],
    // Temporal's worker is a native module: forks, since it does not load in worker threads.
    pool: 'forks',
    // Two cores are shared with five servers; with three files side by side they now and then answered too late.
    maxWorkers: 2,
    // Real servers: a broker election or a workflow takeover takes seconds, and CI machines are slow.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    coverage: {
      provider: 'v8',
      include: ['domain/**', 'workflows/**', 'activities/**', 'adapters/**', 'platform/**', 'workers/**', 'api/**'],
      reporter: ['text-summary'],
    },
  },
});
