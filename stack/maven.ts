// Files from Maven repositories through the ordinary client: a throw-away pom and dependency:copy-dependencies.
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { withLock } from './cache.ts';
import { run } from './command.ts';

export type Artifact = { group: string; name: string; version: string; type?: string; classifier?: string };

/** A pom that asks for these artifacts; one with a classifier is a file to unpack and comes without its dependencies. */
export function pomFor(artifacts: Artifact[]): string {
  const dependencies = artifacts.map(({ group, name, version, type, classifier }) => {
    const extra = [
      type === undefined ? '' : `<type>${type}</type>`,
      classifier === undefined
        ? ''
        : `<classifier>${classifier}</classifier>` +
          '<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>',
    ].join('');
    return `<dependency><groupId>${group}</groupId><artifactId>${name}</artifactId><version>${version}</version>${extra}</dependency>`;
  });
  return `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>crm-ingestion</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    ${dependencies.join('\n    ')}
  </dependencies>
</project>
`;
}

/** Puts the artifacts and what they need at runtime into `dir`/lib. */
export async function copyArtifacts(artifacts: Artifact[], dir: string, log: (line: string) => void): Promise<void> {
  await writeFile(path.join(dir, 'pom.xml'), pomFor(artifacts));
  const goal = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies';
  // Two Maven processes that fill one local repository at the same time may corrupt it.
  await withLock('maven', log, () =>
    run('mvn', ['-B', '-q', '-ntp', '-Dstyle.color=never', goal, '-DincludeScope=runtime', '-DoutputDirectory=lib'], {
      cwd: dir,
    }),
  );
}
