// Finds a Java that is new enough: machines often have several, and the first on the PATH may be the oldest.
import { readdir } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { run } from './command.ts';

/** Major version in the output of `java --version` ("openjdk 25.0.3 2026-04-21 LTS"), undefined if it is something else. */
export function parseJavaVersion(output: string): number | undefined {
  const match = /^\S+ (\d+)/m.exec(output);
  return match?.[1] === undefined ? undefined : Number(match[1]);
}

async function candidates(): Promise<string[]> {
  const folders = [
    '/usr/lib/jvm',
    '/usr/java',
    '/opt',
    '/opt/java',
    path.join(os.homedir(), '.sdkman/candidates/java'),
  ];
  const homes = await Promise.all(
    folders.map(async (folder) => {
      const entries = await readdir(folder).catch(() => []);
      return entries.sort().map((entry) => path.join(folder, entry));
    }),
  );
  const macFolder = '/Library/Java/JavaVirtualMachines';
  const macHomes = (await readdir(macFolder).catch(() => [])).map((entry) =>
    path.join(macFolder, entry, 'Contents/Home'),
  );
  const inHome = (home: string) => path.join(home, 'bin/java');
  return [
    ...(process.env.JAVA_HOME ? [inHome(process.env.JAVA_HOME)] : []),
    'java',
    ...[...homes.flat(), ...macHomes].map(inHome),
  ];
}

/**
 * Path of the first Java of at least this major version: JAVA_HOME, PATH, then the usual folders.
 * @throws Error that names what was found instead
 */
export async function findJava(minimum: number, purpose: string): Promise<string> {
  const found: string[] = [];
  for (const java of await candidates()) {
    const output = await run(java, ['--version']).catch(() => ''); // Java 8 has only -version, and is too old anyway
    const version = parseJavaVersion(output);
    if (version === undefined) continue;
    if (version >= minimum) return java;
    found.push(`${java} (${version})`);
  }
  throw new Error(
    `${purpose} needs Java ${minimum} or newer. Found: ${found.join(', ') || 'none'}. ` +
      'Install a newer one (any JRE will do) or set JAVA_HOME to it.',
  );
}
