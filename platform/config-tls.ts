/** Settings of TLS that contradict each other: certificates for a connection that would not use them. */
import type { Values, VariableName } from './variables.ts';

const BY_SCHEME = [
  { variable: 'REDIS_URL', scheme: 'rediss:', names: ['REDIS_TLS_CA_FILE', 'REDIS_TLS_CERT_FILE'] },
  {
    variable: 'SCHEMA_REGISTRY_URL',
    scheme: 'https:',
    names: ['SCHEMA_REGISTRY_CA_FILE', 'SCHEMA_REGISTRY_CERT_FILE'],
  },
] as const satisfies Array<{ variable: VariableName; scheme: string; names: VariableName[] }>;

/** `prefer` and `allow` would fall back to no TLS when somebody is in between. */
const SSL_MODES = ['disable', 'no-verify', 'require', 'verify-ca', 'verify-full'];

/** @param values those that did not parse are undefined, and reported already */
export function tlsProblems(values: Partial<Values>): string[] {
  return [...schemeProblems(values), ...databaseProblems(values)];
}

function schemeProblems(values: Partial<Values>): string[] {
  return BY_SCHEME.flatMap(({ variable, scheme, names }) => {
    const url = values[variable];
    if (url === undefined || url.startsWith(scheme)) return [];
    return names
      .filter((name) => values[name] !== undefined && values[name] !== null)
      .map((name) => `${name} is set, but ${variable} does not begin with ${scheme}//, so there is no TLS`);
  });
}

function databaseProblems({ DATABASE_URL: url, ...values }: Partial<Values>): string[] {
  if (url === undefined || !URL.canParse(url)) return [];
  const mode = new URL(url).searchParams.get('sslmode');
  if (mode !== null && !SSL_MODES.includes(mode)) {
    return [`sslmode in DATABASE_URL is none of ours; allowed: ${SSL_MODES.join(', ')}`];
  }
  if (mode !== 'disable' && mode !== 'no-verify') {
    const isPlain = mode === null && !values.DATABASE_SSL_CA_FILE && values.DATABASE_SSL_CERT_FILE;
    return isPlain ? ['DATABASE_SSL_CERT_FILE is set without TLS; add sslmode=verify-full to DATABASE_URL'] : [];
  }
  const names = ['DATABASE_SSL_CA_FILE', 'DATABASE_SSL_CERT_FILE'] as const;
  // Without any check of the server, a certificate of our own still makes sense; an authority does not.
  const unused = mode === 'disable' ? names : names.slice(0, 1);
  return unused
    .filter((name) => values[name] !== undefined && values[name] !== null)
    .map((name) => `${name} is set, but DATABASE_URL says sslmode=${mode}; drop one of them`);
}
