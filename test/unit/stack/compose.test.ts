import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { SERVICES } from '../../../stack/docker.ts';
import { SEARCH_ATTRIBUTES } from '../../../stack/index.ts';
import { type PortName, portsOf, portVariable } from '../../../stack/instance.ts';

type Service = {
  image: string;
  command?: string[];
  ports?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
  volumes?: string[];
};
type Compose = { services: Record<string, Service>; volumes: Record<string, unknown> };

const file = new URL('../../../docker-compose.yml', import.meta.url);
const { services, volumes } = parse(readFileSync(file, 'utf8'), { merge: true }) as Compose;
const entries = Object.entries(services);
const published = entries.flatMap(([, { ports = [] }]) => ports);

describe('docker-compose.yml', () => {
  it('has the servers and the parts of the product', () => {
    expect(Object.keys(services).sort()).toEqual(
      ['api', 'kafka', 'migrate', 'postgres', 'redis', 'schema-registry', 'temporal', 'worker'].sort(),
    );
    for (const name of Object.values(SERVICES).flat()) expect(services).toHaveProperty(name);
  });

  it.each(entries)('pins the image of %s', (_name, { image }) => {
    expect(image).toMatch(/^(crm-ingestion:local|[a-z/-]+:\$?[\w.{}:-]*\d[\w.-]*\}?)$/);
    expect(image).not.toContain('latest');
  });

  it('publishes on loopback only, each port movable by its variable', () => {
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z_]+:-\d+\}:\d+$/);
    const inside = ['kafkaController', 'registryManagement']; // between processes of one container
    const servers = Object.entries(portsOf(0, {})).filter(([name]) => !inside.includes(name));
    const wanted = [
      ...servers.map(([name, port]) => [portVariable(name as PortName), port]),
      ['API_PORT', 3000],
      ['WORKER_PORT', 9464],
    ];
    expect(published.sort()).toEqual(wanted.map(([name, port]) => `127.0.0.1:\${${name}:-${port}}:${port}`).sort());
  });

  it.each(entries.filter(([name]) => name !== 'migrate'))('checks the health of %s', (_name, { healthcheck }) => {
    expect(healthcheck?.test[0]).toBe('CMD');
  });

  it.each(['worker', 'api'])('starts %s after the migrations, when its servers are healthy', (name) => {
    expect(services[name]?.depends_on).toEqual({
      migrate: { condition: 'service_completed_successfully' },
      ...Object.fromEntries(
        ['kafka', 'schema-registry', 'temporal', 'redis'].map((server) => [server, { condition: 'service_healthy' }]),
      ),
    });
  });

  it('keeps data in declared volumes', () => {
    const used = entries.flatMap(([, service]) =>
      (service.volumes ?? []).map((volume) => volume.split(':')[0] as string),
    );
    expect(used.sort()).toEqual(Object.keys(volumes).sort());
  });

  it('gives Temporal the search attributes that it has natively', () => {
    for (const [name, type] of Object.entries(SEARCH_ATTRIBUTES)) {
      expect(services.temporal?.command).toContain(`--search-attribute=${name}=${type}`);
    }
  });
});
