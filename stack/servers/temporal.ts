// Temporal's development server with its UI; the same binary is the command-line client.
import path from 'node:path';
import { installOnce } from '../cache.ts';
import { run, withProgress } from '../command.ts';
import type { Instance } from '../instance.ts';
import { probeTemporal } from '../probes.ts';
import type { NativeServer } from './server.ts';

// The last version that `go install` accepts: later ones carry a replace directive.
const VERSION = '1.5.1';

/** Search attributes that make runs easy to find; the server must know them before a workflow may set them. */
export const SEARCH_ATTRIBUTES = {
  CrmConsumerGroup: 'Keyword',
  CrmRunId: 'Keyword',
  CrmPhase: 'Keyword',
  CrmOrganization: 'Keyword',
} as const;

/** Path of the `temporal` binary; builds it when it is not in the cache yet (two minutes). */
export async function temporalCli(log: Instance['log'] = (line) => process.stderr.write(`${line}\n`)): Promise<string> {
  const dir = await installOnce(`temporal-cli-${VERSION}`, log, (target) =>
    withProgress(log, `temporal: building the CLI ${VERSION} with its server (about 2 minutes)`, () =>
      run('go', ['install', `github.com/temporalio/cli/cmd/temporal@v${VERSION}`], { env: { GOBIN: target } }),
    ).then(() => undefined),
  );
  return path.join(dir, 'temporal');
}

export const temporal: NativeServer = {
  name: 'temporal',
  title: () => `Temporal (CLI ${VERSION})`,
  ports: ['temporal', 'temporalUi'],
  stopSignal: 'SIGTERM',

  async install({ log }) {
    await temporalCli(log);
  },

  async prepare({ ports, log }, dir) {
    return {
      command: await temporalCli(log),
      args: [
        ...['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'warn'],
        ...['--port', String(ports.temporal), '--ui-port', String(ports.temporalUi)],
        ...['--db-filename', path.join(dir, 'temporal.db')],
        // Survives a killed process (not a power cut) without waiting for the disk at every step of a workflow.
        ...['--sqlite-pragma', 'journal_mode=wal', '--sqlite-pragma', 'synchronous=1'],
        ...Object.entries(SEARCH_ATTRIBUTES).flatMap(([name, type]) => ['--search-attribute', `${name}=${type}`]),
      ],
      cwd: dir,
    };
  },

  probe: (env) => probeTemporal(env.TEMPORAL_ADDRESS),
};
