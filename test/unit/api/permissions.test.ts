import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ALL_ROLES, PERMISSIONS, permissionsOf, ROLES } from '../../../domain/permissions.ts';
import { createTestApp } from './app-under-test.ts';

const documentSchema = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ 'x-permission': z.string().optional() }))),
});

/** What may be asked by anyone; /metrics has figures alone, and is for the scraper inside the network. */
const OPEN_PATHS = ['/docs', '/health', '/health/live', '/metrics', '/openapi.json'];

describe('permissions', () => {
  it('are declared by every route that there is, but for the few that are open', async () => {
    const { app } = createTestApp();
    const { paths } = documentSchema.parse(await (await app.request('/openapi.json')).json());
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, permission: operation['x-permission'] })),
    );
    expect(operations.length).toBeGreaterThan(60);
    for (const { path, method, permission } of operations) {
      if (OPEN_PATHS.includes(path)) expect(permission, `${method} ${path}`).toBe('none');
      else expect(Object.keys(PERMISSIONS), `${method} ${path}`).toContain(permission);
    }
    const declared = new Set(
      operations.map(({ method, path }) => `${method} ${path.replaceAll(/\{(\w+)\}/gu, ':$1')}`),
    );
    const handled = app.routes
      .filter(({ method, path }) => method !== 'ALL' || !path.endsWith('*'))
      .map(({ method, path }) => `${method.toLowerCase()} ${path}`);
    expect(handled.filter((route) => !declared.has(route))).toEqual([]);
  });

  it('of a role are those of its name, and unknown names give nothing', () => {
    for (const role of ALL_ROLES) {
      expect([...permissionsOf([role])].toSorted()).toEqual([...new Set(ROLES[role])].toSorted());
    }
    expect([...permissionsOf(['constructor', '__proto__', 'root', 'ingestion:*'])]).toEqual([]);
    expect([...permissionsOf(['viewer', 'pii:read'])]).toEqual(['ingestion:read', 'pii:read']);
  });
});
