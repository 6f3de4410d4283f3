import { expect, it } from 'vitest';
import { parametersOf } from '../../../api/audit-subject.ts';

it.each<[pattern: string, path: string, parameters: Record<string, string>]>([
  ['/api/v1/jobs/:id', '/api/v1/jobs/a%2Fb', { id: 'a/b' }],
  ['/a/:topic/:schemaId/resume', '/a/crm.leads/7/resume', { topic: 'crm.leads', schemaId: '7' }],
  ['/a/:id', '/a/%E0%A4%A', { id: '%E0%A4%A' }],
  ['/a/:id{[0-9]+}', '/a/5', { id: '5' }],
  ['/board/*', '/board/api/queues/q/failed-17-2/retry', { job: 'failed-17-2', change: 'retry' }],
  ['/board/*', '/board/api/queues/q/ada%20lovelace/clean', {}],
  ['/a/b', '/a/b', {}],
])('the parameters of %s in %s', (pattern, path, parameters) => {
  expect(parametersOf(pattern, path)).toEqual(parameters);
});
