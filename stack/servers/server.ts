// What the stack knows about each kind of server.
import type { Instance, PortName, ServerName, StackEnv } from '../instance.ts';
import type { Launch } from '../process.ts';

export type NativeServer = {
  name: ServerName;
  /** For people: product and version. */
  title: (instance: Instance) => string;
  ports: PortName[];
  /** What stops it in good order: data written out, clients told. */
  stopSignal: NodeJS.Signals;
  /** Downloads or builds what is not in the cache yet. */
  install: (instance: Instance) => Promise<void>;
  /** Writes configuration and an empty data directory where there is none; says how to start it. `dir` is its own. */
  prepare: (instance: Instance, dir: string) => Promise<Launch>;
  /** Resolves when the server answers in its own protocol and can be used, rejects otherwise. */
  probe: (env: StackEnv) => Promise<void>;
};
