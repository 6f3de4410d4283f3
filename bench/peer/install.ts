// Kafka Connect with Debezium's JDBC sink and Apicurio's Avro converter, all from Maven Central, into the stack's cache.
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { installOnce } from '../../stack/cache.ts';
import { run, withProgress } from '../../stack/command.ts';
import { type Artifact, copyArtifacts } from '../../stack/maven.ts';

const PEER_VERSIONS = { connect: '4.3.1', sink: '3.6.0.Final', converter: '2.6.13.Final' };

const { connect, sink, converter } = PEER_VERSIONS;

/** What it is, for people. */
export const PEER_TITLE = `Kafka Connect ${connect}, Debezium JDBC sink ${sink}, Apicurio converter ${converter}`;

const WORKER: Artifact[] = [
  { group: 'org.apache.kafka', name: 'connect-runtime', version: PEER_VERSIONS.connect },
  { group: 'org.slf4j', name: 'slf4j-simple', version: '1.7.36' },
];
const SINK: Artifact = {
  group: 'io.debezium',
  name: 'debezium-connector-jdbc',
  version: PEER_VERSIONS.sink,
  type: 'tar.gz',
  classifier: 'plugin',
};
const CONVERTER: Artifact = {
  group: 'io.apicurio',
  name: 'apicurio-registry-utils-converter',
  version: PEER_VERSIONS.converter,
};

/** What the Connect worker has itself: a plugin's second copy of these would clash with it. */
const OF_THE_WORKER = /^(connect-(api|json)|kafka-clients|slf4j-api|lz4-java|snappy-java|zstd-jni)-\d/;

export interface InstalledPeer {
  /** Class path of the Connect worker. */
  classPath: string;
  /** The worker's `plugin.path`. */
  plugins: string;
}

/** Installs the rival unless it is there. */
export async function installPeer(log: (line: string) => void): Promise<InstalledPeer> {
  const id = `connect-${PEER_VERSIONS.connect}-debezium-${PEER_VERSIONS.sink}-apicurio-${PEER_VERSIONS.converter}`;
  const dir = await installOnce(id, log, (target) =>
    withProgress(
      log,
      'peer: downloading Kafka Connect, the Debezium JDBC sink and the Apicurio converter',
      async () => {
        await copyArtifacts(WORKER, await folder(target, 'worker'), log);
        await unpackSink(target, log);
        await copyConverter(target, log);
      },
    ),
  );
  return { classPath: path.join(dir, 'worker', 'lib', '*'), plugins: path.join(dir, 'plugins') };
}

async function unpackSink(target: string, log: (line: string) => void): Promise<void> {
  const download = await folder(target, 'sink');
  await copyArtifacts([SINK], download, log);
  const [archive = ''] = await readdir(path.join(download, 'lib'));
  await run('tar', ['xzf', path.join(download, 'lib', archive), '-C', await folder(target, 'plugins')]);
  await rm(download, { recursive: true });
}

async function copyConverter(target: string, log: (line: string) => void): Promise<void> {
  const download = await folder(target, 'converter');
  await copyArtifacts([CONVERTER], download, log);
  const jars = path.join(download, 'lib');
  for (const jar of await readdir(jars)) {
    if (OF_THE_WORKER.test(jar)) await rm(path.join(jars, jar));
  }
  await rename(jars, path.join(await folder(target, 'plugins'), 'apicurio-converter'));
  await rm(download, { recursive: true });
}

async function folder(...parts: string[]): Promise<string> {
  const dir = path.join(...parts);
  await mkdir(dir, { recursive: true });
  return dir;
}
