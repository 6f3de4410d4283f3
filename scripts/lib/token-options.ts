import { userInfo } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import { ALL_PERMISSIONS, ALL_ROLES } from '../../domain/permissions.ts';

export interface TokenOptions {
  /** Roles and single permissions. */
  role: string[];
  /** Ids; null for the whole installation. */
  organization: string[] | null;
  subject: string;
  /** Seconds. */
  ttl: number;
  apiKey: boolean;
}

const HOUR = 3_600;

/** Prints help or what is wrong with the options, and ends the process, as commander does. */
export function readOptions(argv: readonly string[]): TokenOptions {
  const command = new Command('npm run token --')
    .description('Prints a token that the API takes, signed with AUTH_HS256_SECRET: for a laptop.')
    .requiredOption('--role <name>', `may be given several times: ${ALL_ROLES.join(', ')}, or a permission`, roles)
    .option('--organization <id>', 'bind it to this organization; may be given several times', gathered)
    .option('--subject <name>', 'who it is for', userInfo().username)
    .option('--ttl <time>', 'how long it lives, such as 30m, 8h or 90d', seconds)
    .option('--api-key', 'make an API key instead, in the database of DATABASE_URL', false)
    .addHelpText(
      'after',
      `
Without --organization it is for the whole installation. A token lives for 1h unless --ttl says otherwise, an API key
for 90d.

A token needs AUTH_HS256_SECRET, AUTH_ISSUER and AUTH_AUDIENCE in the environment or in .env, as the API has them. With
--api-key nothing but the database is needed: so the first key is made where no issuer is, production included.

  curl -H "authorization: Bearer $(npm run --silent token -- --role operator)" localhost:3000/api/v1/crm-ingestion/status`,
    )
    .parse(argv);
  const given = command.opts<Partial<TokenOptions> & Pick<TokenOptions, 'role' | 'subject' | 'apiKey'>>();
  return { organization: null, ttl: given.apiKey ? 90 * 24 * HOUR : HOUR, ...given };
}

function gathered(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}

function roles(name: string, before: string[] | undefined): string[] {
  const known: readonly string[] = [...ALL_ROLES, ...ALL_PERMISSIONS];
  if (!known.includes(name)) throw new InvalidArgumentError(`Allowed: ${known.join(', ')}.`);
  return gathered(name, before);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: HOUR, d: 24 * HOUR };

function seconds(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,6})([smhd])$/u.exec(text) ?? [];
  const found = Number(digits) * (UNITS[unit] ?? 0);
  if (found === 0) throw new InvalidArgumentError('Allowed: a number and one of s, m, h, d.');
  return found;
}
