import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../platform/config.ts';
import { problemsOf } from './config-problems.ts';

describe('the HTTP door', () => {
  it('believes nobody, lets in no other site and speaks no TLS, unless it is told to', () => {
    expect(loadConfig({}, []).httpDoor).toMatchObject({
      limits: { identity: 3_000, address: 12_000, failed: 30 },
      trustProxy: null,
      tls: null,
      corsOrigins: [],
    });
  });

  it.each([
    ['1', { hops: 1 }],
    ['10', { hops: 10 }],
    ['10.0.0.0/8, 2001:db8::/32,192.0.2.1', { networks: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'] }],
  ])('trusts the proxies %s', (TRUST_PROXY, trusted) => {
    expect(loadConfig({ TRUST_PROXY }, []).httpDoor.trustProxy).toEqual(trusted);
  });

  it.each(['0', '11', 'true', '10.0.0.0/33', '10.0.0/8', '::1/129', '10.0.0.0/8/8', '10.0.0.0/', '10.0.0.1,', 'proxy'])(
    'trusts no proxies %s',
    (TRUST_PROXY) => {
      expect(problemsOf({ TRUST_PROXY })).toEqual([expect.stringMatching(/^TRUST_PROXY is ".*"; allowed: how many/u)]);
    },
  );

  it('takes origins as browsers send them', () => {
    const API_CORS_ORIGINS = 'https://a.example, http://localhost:5173';
    expect(loadConfig({ API_CORS_ORIGINS }, []).httpDoor.corsOrigins).toEqual([
      'https://a.example',
      'http://localhost:5173',
    ]);
  });

  it.each([
    '*',
    'https://a.example/',
    'https://a.example/path',
    'a.example',
    'https://*.example',
    'null',
    'https://A.example',
  ])('takes no origins %s', (API_CORS_ORIGINS) => {
    expect(problemsOf({ API_CORS_ORIGINS })).toEqual([expect.stringContaining('allowed: origins such as')]);
  });
});
