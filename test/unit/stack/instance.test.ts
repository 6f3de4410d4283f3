import { describe, expect, it } from 'vitest';
import { cacheDir } from '../../../stack/cache.ts';
import { endpointsOf, ownEnv, portsOf, resolveInstance, withoutPassword } from '../../../stack/instance.ts';

describe('ports', () => {
  it('are the well-known ones plus the offset', () => {
    expect(portsOf(0, {})).toMatchObject({
      kafka: 9092,
      registry: 8081,
      temporal: 7233,
      temporalUi: 8233,
      postgres: 5432,
      redis: 6379,
    });
    expect(portsOf(20_000, {})).toMatchObject({ kafka: 29_092, redis: 26_379 });
  });

  it('stay below the range that outgoing connections take their ports from, for the test instance too', () => {
    expect(Math.max(...Object.values(portsOf(20_000, {})))).toBeLessThan(32_768);
  });

  it('are all different', () => {
    const ports = Object.values(portsOf(0, {}));
    expect(new Set(ports).size).toBe(ports.length);
  });

  it('come from the environment where it names them; empty counts as unset', () => {
    expect(portsOf(1, { KAFKA_PORT: '19092', REDIS_PORT: '' })).toMatchObject({ kafka: 19_093, redis: 6_380 });
  });

  it.each(['x', '-1', '0', '65536', '9092.5', '1e3'])('refuses KAFKA_PORT=%s by name', (port) => {
    expect(() => portsOf(0, { KAFKA_PORT: port })).toThrow(`KAFKA_PORT=${port}`);
  });
});

describe('an instance', () => {
  const environment = { CRM_CACHE_DIR: '/somewhere' };

  it('has defaults', () => {
    expect(resolveInstance({}, environment)).toMatchObject({
      name: 'default',
      dir: '/somewhere/instances/default',
      postgresVersion: '18',
      ports: { kafka: 9092 },
    });
  });

  it('named test has an offset of its own, which can be changed', () => {
    expect(resolveInstance({ name: 'test' }, environment).ports.kafka).toBe(29_092);
    expect(resolveInstance({ name: 'test', portOffset: 5 }, environment).ports.kafka).toBe(9_097);
  });

  it('takes its PostgreSQL version from the options before the environment', () => {
    const versioned = { ...environment, POSTGRES_VERSION: '15' };
    expect(resolveInstance({}, versioned).postgresVersion).toBe('15');
    expect(resolveInstance({ postgresVersion: '12' }, versioned).postgresVersion).toBe('12');
  });

  it.each(['', '..', 'a/b', 'A', '-x'])('may not be called "%s"', (name) => {
    expect(() => resolveInstance({ name }, environment)).toThrow('instance name');
  });
});

describe('the cache folder', () => {
  it('is CRM_CACHE_DIR where it is set, as an absolute path', () => {
    expect(cacheDir({ CRM_CACHE_DIR: '/a/../b' })).toBe('/b');
  });

  it.skipIf(process.getuid?.() === 0)("is in the user's cache folder", () => {
    expect(cacheDir({ XDG_CACHE_HOME: '/x' })).toBe('/x/crm-ingestion');
  });
});

describe('connection variables', () => {
  it('name loopback and the ports; only Apicurio has a path', () => {
    const ports = portsOf(0, {});
    expect(ownEnv(ports, 'native')).toEqual({
      KAFKA_BROKERS: '127.0.0.1:9092',
      SCHEMA_REGISTRY_URL: 'http://127.0.0.1:8081/apis/ccompat/v7',
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      TEMPORAL_UI_URL: 'http://127.0.0.1:8233',
      DATABASE_URL: 'postgres://postgres@127.0.0.1:5432/crm',
      REDIS_URL: 'redis://127.0.0.1:6379',
    });
    expect(ownEnv(ports, 'docker').SCHEMA_REGISTRY_URL).toBe('http://127.0.0.1:8081');
  });

  it.each([
    [
      'kafka',
      'a:1,b:2',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
      ],
    ],
    [
      'kafka',
      'a:1, b',
      [
        { host: 'a', port: 1 },
        { host: 'b', port: 9092 },
      ],
    ],
    ['registry', 'https://user:secret@registry.example/path', [{ host: 'registry.example', port: 443 }]],
    ['registry', 'http://registry.example', [{ host: 'registry.example', port: 80 }]],
    ['temporal', '[::1]:7000', [{ host: '::1', port: 7000 }]],
    ['postgres', 'postgres://u:p@db/crm?sslmode=require', [{ host: 'db', port: 5432 }]],
    ['redis', 'rediss://cache:6380/1', [{ host: 'cache', port: 6380 }]],
  ] as const)('of %s: %s', (server, value, expected) => {
    expect(endpointsOf(server, value)).toEqual(expected);
  });

  it('without a host are refused, and the message does not repeat them', () => {
    expect(() => endpointsOf('postgres', 'postgres:///crm')).toThrow(/^DATABASE_URL: no host in it$/);
  });

  it('are shown without their password', () => {
    expect(withoutPassword('postgres://me:p%40ss@db:1/crm')).toBe('postgres://me:***@db:1/crm');
    expect(withoutPassword('redis://:secret@cache')).toBe('redis://:***@cache');
    expect(withoutPassword('postgres://me@db:1/crm')).toBe('postgres://me@db:1/crm');
  });
});
