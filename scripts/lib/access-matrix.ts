/** Who may do what, from the routes as the API documents them: rows for people, and for the test that tries all of them. */
import { z } from 'zod';
import { ALL_ROLES, permissionsOf, type Role } from '../../domain/permissions.ts';
import { type Answer, TENANT_ROUTES } from './tenant-routes.ts';

/** Whom an identity is bound to, as far as the organization goes whose things it asks for. */
export const BINDINGS = ['installation', 'own', 'others', 'none'] as const;
export type Binding = (typeof BINDINGS)[number];

export interface AccessRow {
  /** For example `GET /dead-letters/{id}`, below the API's prefix. */
  route: string;
  permission: string;
  roles: Role[];
  /** To those whose role has the permission. */
  answers: Record<Binding, Answer>;
}

export const API_PREFIX = '/api/v1/crm-ingestion';

const documentSchema = z.object({
  paths: z.record(
    z.string(),
    z.record(
      z.string(),
      z.looseObject({ 'x-permission': z.string(), 'x-reach': z.enum(['organization', 'installation']).optional() }),
    ),
  ),
});

/**
 * All routes that take a permission.
 * @param document of OpenAPI, as /openapi.json has it
 * @throws Error for a route that speaks of organizations and of which nobody said what others are answered
 */
export function accessMatrix(document: unknown): AccessRow[] {
  const { paths } = documentSchema.parse(document);
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, { 'x-permission': permission, 'x-reach': reach }]) => {
      if (reach === undefined) return [];
      const route = `${method.toUpperCase()} ${path.replace(API_PREFIX, '')}`;
      const roles = ALL_ROLES.filter((role) => [...permissionsOf([role])].some((given) => given === permission));
      return [{ route, permission, roles, answers: answersOf(route, reach) }];
    }),
  );
}

/** What a request is answered. */
export function answerTo({ roles, answers }: AccessRow, role: Role, binding: Binding): Answer {
  return roles.includes(role) ? answers[binding] : 'forbidden';
}

function answersOf(route: string, reach: 'organization' | 'installation'): AccessRow['answers'] {
  if (reach === 'installation') {
    return { installation: 'allowed', own: 'forbidden', others: 'forbidden', none: 'forbidden' };
  }
  const answers = TENANT_ROUTES.get(route);
  if (answers === undefined)
    throw new Error(`${route} speaks of organizations: say in tenant-routes.ts what others hear`);
  return { installation: 'allowed', own: 'allowed', ...answers };
}

const SHOWN: Record<Answer, string> = { allowed: 'yes', forbidden: '403', unknown: '404', 'left out': 'left out' };

/** The rows as a table in Markdown. */
export function renderMatrix(rows: readonly AccessRow[]): string {
  const head = ['Route', 'Permission', ...ALL_ROLES, 'own', "others'", 'none'];
  const lines = rows.map((row) => [
    `\`${row.route}\``,
    `\`${row.permission}\``,
    ...ALL_ROLES.map((role) => (row.roles.includes(role) ? 'yes' : '403')),
    ...(['own', 'others', 'none'] as const).map((binding) => SHOWN[row.answers[binding]]),
  ]);
  const widths = head.map((title, column) => Math.max(title.length, ...lines.map((line) => line[column]?.length ?? 0)));
  const lineOf = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  return [lineOf(head), lineOf(widths.map((width) => '-'.repeat(width))), ...lines.map(lineOf)].join('\n');
}
