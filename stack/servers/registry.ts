// Schema registry: Apicurio, which speaks Confluent's API below /apis/ccompat/v7.
import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { installOnce } from '../cache.ts';
import { run, withProgress } from '../command.ts';
import type { Instance } from '../instance.ts';
import { findJava } from '../java.ts';
import { copyArtifacts } from '../maven.ts';
import { probeRegistry } from '../probes.ts';
import type { NativeServer } from './server.ts';

const VERSION = '3.3.3';

const install = (log: Instance['log']) =>
  installOnce(`apicurio-registry-${VERSION}`, log, (dir) =>
    withProgress(log, `registry: downloading Apicurio ${VERSION} (158 MB)`, async () => {
      const artifact = { group: 'io.apicurio', name: 'apicurio-registry-app', version: VERSION };
      await copyArtifacts([{ ...artifact, type: 'tar.gz', classifier: 'all' }], dir, log);
      const lib = path.join(dir, 'lib');
      const [archive = ''] = await readdir(lib);
      await mkdir(path.join(dir, 'app'));
      await run('tar', ['xzf', path.join(lib, archive), '-C', path.join(dir, 'app')]);
      await rm(lib, { recursive: true });
    }),
  );

const java = () => findJava(21, 'The schema registry (Apicurio)');

export const registry: NativeServer = {
  name: 'registry',
  title: () => `Apicurio Registry ${VERSION}`,
  ports: ['registry', 'registryManagement'],
  stopSignal: 'SIGTERM',

  async install({ log }) {
    await java();
    await install(log);
  },

  async prepare({ ports, log }, dir) {
    const app = path.join(await install(log), 'app');
    // Ids of schemas are part of every message, so they must outlive the process: H2 in a file, each commit written at
    // once (it delays writes by default, and a kill would lose ids that messages already carry).
    const database = `jdbc:h2:file:${path.join(dir, 'registry')};WRITE_DELAY=0`;
    const settings = {
      'quarkus.http.host': '127.0.0.1',
      'quarkus.http.port': ports.registry,
      'quarkus.management.host': '127.0.0.1',
      'quarkus.management.port': ports.registryManagement,
      'quarkus.http.access-log.enabled': false,
      'apicurio.storage.kind': 'sql',
      'apicurio.storage.sql.kind': 'h2',
      'apicurio.datasource.url': database,
      'apicurio.datasource.jdbc.initial-size': 2,
      'apicurio.datasource.jdbc.min-size': 2,
      'apicurio.datasource.jdbc.max-size': 10,
    };
    return {
      command: await java(),
      args: [
        '-Xmx384m',
        '-XX:+UseSerialGC',
        '-XX:TieredStopAtLevel=1', // it starts sooner and serves a few schemas: no need for the optimizing compiler
        ...Object.entries(settings).map(([key, value]) => `-D${key}=${value}`),
        '-jar',
        path.join(app, 'quarkus-run.jar'),
      ],
      cwd: dir,
    };
  },

  probe: (env) => probeRegistry(env.SCHEMA_REGISTRY_URL),
};
