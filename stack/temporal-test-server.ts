// Temporal's time-skipping test server: lets a test of a workflow sleep for 30 days in milliseconds.
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { installOnce } from './cache.ts';
import { withProgress } from './command.ts';
import { findJava } from './java.ts';
import { copyArtifacts } from './maven.ts';

const VERSION = '1.31.0';

/**
 * Path of an executable for `TestWorkflowEnvironment.createTimeSkipping({server: {executable: {type: 'existing-path', path}}})`;
 * installs it when it is not in the cache yet. The SDK calls it with the port as its only argument, gives it five
 * seconds to answer, and kills it in the end: so the JVM is told to start fast, and replaces the shell. The server
 * must not get `--enable-time-skipping`: the SDK unlocks skipping while it awaits a result, and a server that is never
 * locked jumps past the time-outs of tasks that a worker is busy with.
 */
export async function temporalTestServer(
  log: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Promise<string> {
  const dir = await installOnce(`temporal-test-server-${VERSION}`, log, async (target) => {
    const java = await findJava(11, "Temporal's test server");
    await withProgress(log, `temporal-test-server: downloading ${VERSION}`, () =>
      copyArtifacts(
        [
          { group: 'io.temporal', name: 'temporal-test-server', version: VERSION },
          { group: 'org.slf4j', name: 'slf4j-nop', version: '1.7.36' },
        ],
        target,
        log,
      ),
    );
    const script = path.join(target, 'temporal-test-server');
    await writeFile(
      script,
      `#!/bin/sh
exec '${java}' -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \\
  -cp "$(dirname "$0")/lib/*" io.temporal.testserver.TestServer "$@"
`,
    );
    await chmod(script, 0o755);
  });
  return path.join(dir, 'temporal-test-server');
}
