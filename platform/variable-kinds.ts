import { isIP } from 'node:net';
import { z } from 'zod';
import { KEY_RING_FORM, parseKeyRing } from './key-ring.ts';

/** How the text of an environment variable becomes a value, and the words that tell a user what it may hold. */
export interface Kind<T> {
  schema: z.ZodType<T, string>;
  /** Completes the sentence "allowed: …". */
  allowed: string;
  unit?: string;
}

export function oneOf<const T extends string>(...values: T[]): Kind<T> {
  return { schema: z.string().pipe(z.enum(values)), allowed: values.join(' | ') };
}

/** Numbers are written in digits alone: `1e3`, `0x10`, `5s` and `1_000` are refused rather than guessed at. */
export function integer(min: number, max: number, unit?: string): Kind<number> {
  const schema = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
    .refine((value) => value >= min && value <= max);
  return { schema, allowed: `a whole number from ${min} to ${max}${unit ? ` (${unit})` : ''}`, ...(unit && { unit }) };
}

export const bool: Kind<boolean> = {
  schema: z
    .string()
    .pipe(z.enum(['true', 'false']))
    .transform((text) => text === 'true'),
  allowed: 'true | false',
};

export function text(allowed: string, pattern = /^.+$/su): Kind<string> {
  return { schema: z.string().regex(pattern), allowed };
}

export const freeText: Kind<string> = text('any text');

/** Kafka's own rule for topic names. */
export const topicName: Kind<string> = {
  schema: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,249}$/)
    .refine((name) => name !== '.' && name !== '..'),
  allowed: 'a topic name: 1 to 249 of A-Z a-z 0-9 . _ -',
};

const HOST_AND_PORT = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})$/;

function isHostAndPort(address: string): boolean {
  const port = Number(HOST_AND_PORT.exec(address)?.[1] ?? 0);
  return port >= 1 && port <= 65_535;
}

export const hostAndPort: Kind<string> = {
  schema: z.string().refine(isHostAndPort),
  allowed: 'host:port',
};

export const hostAndPortList: Kind<string[]> = {
  schema: commaList().refine((addresses) => addresses.every(isHostAndPort)),
  allowed: 'host:port, several separated by commas',
};

export const nameList: Kind<string[]> = {
  schema: commaList(),
  allowed: 'names separated by commas',
};

function commaList() {
  return z
    .string()
    .transform((text) => text.split(',').map((item) => item.trim()))
    .refine((items) => items.every((item) => item !== ''));
}

export function url(...protocols: string[]): Kind<string> {
  const schema = z.string().refine((text) => {
    const parsed = URL.parse(text);
    return parsed !== null && protocols.includes(parsed.protocol) && parsed.hostname !== '';
  });
  return { schema, allowed: `a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}` };
}

/** A path; loadConfig replaces it by the file's content. */
export const pemFile: Kind<string> = text('the path of a readable PEM file');

/** Likewise; what the file holds is a secret, without the space around it. */
export const secretFile: Kind<string> = text('the path of a readable file that holds a secret');

/** A path whose file is read again whenever it changes; loadConfig only sees to it that it can be read now. */
export const watchedPemFile: Kind<string> = text('the path of a readable PEM file');

/** Whose X-Forwarded-For is believed: so many proxies in a row, or those with these addresses. */
export type TrustedProxies = { hops: number } | { networks: readonly string[] };

const MOST_HOPS = 10;

export const trustedProxies: Kind<TrustedProxies> = {
  schema: z
    .string()
    .transform(
      (text): TrustedProxies =>
        /^\d{1,2}$/.test(text) ? { hops: Number(text) } : { networks: text.split(',').map((item) => item.trim()) },
    )
    .refine((proxies) =>
      'hops' in proxies ? proxies.hops >= 1 && proxies.hops <= MOST_HOPS : proxies.networks.every(isNetwork),
    ),
  allowed: `how many proxies there are in a row (1 to ${MOST_HOPS}), or their addresses and networks, such as 10.0.0.0/8, separated by commas`,
};

function isNetwork(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** Origins as browsers send them: scheme, host and port, without a path. */
export const originList: Kind<string[]> = {
  schema: commaList().refine((items) => items.every(isOrigin)),
  allowed: 'origins such as https://dashboard.example.com, separated by commas',
};

/** Text that parseKeyRing reads. */
export const keyRing: Kind<string> = {
  schema: z.string().refine((text) => parseKeyRing(text) !== undefined),
  allowed: KEY_RING_FORM,
};

/** A path; loadConfig replaces it by the text of the set. */
export const jwksFile: Kind<string> = text('the path of a readable JSON Web Key Set');

function isOrigin(text: string): boolean {
  return /^https?:\/\/[^*]+$/u.test(text) && URL.parse(text)?.origin === text;
}
