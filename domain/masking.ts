/**
 * Personal data as it is shown to those who may not see it. What is wrong with a value can mostly still be told: null
 * stays null, empty stays empty, and an address or number keeps its shape.
 */
import { type Catalogue, EVENT_CATALOGUE, type Privacy } from './pii.ts';

const HIDDEN = '***';

/** Longer ones are no telephone numbers, and their digits no shape. */
const LONGEST_PHONE = 40;
const DIGITS_SHOWN = 2;

/**
 * An event in JSON, or a part of one, with all personal data masked. Fields that the catalogue does not know are hidden
 * whole.
 */
export function maskEvent(event: unknown): unknown {
  return mask(event, EVENT_CATALOGUE);
}

/**
 * An id, type or code, which is shown as it is unless it holds an e-mail address: some source systems make their ids
 * of them.
 */
export function maskOpen(text: string): string {
  return text.includes('@') ? HIDDEN : text;
}

/**
 * A masked event that a person changed, with the masks that are left taken back to what they stand for.
 * @param original the event that was shown masked
 */
export function unmaskEvent(sent: unknown, original: unknown): unknown {
  return unmask(sent, original, EVENT_CATALOGUE);
}

/** The path of the first field that holds a mask, null without: no value of an event looks like one. */
export function maskedField(event: unknown, path = ''): string | null {
  if (typeof event === 'string') return event.includes(HIDDEN) ? path : null;
  if (typeof event !== 'object' || event === null) return null;
  for (const [name, value] of Object.entries(event)) {
    const found = maskedField(value, path === '' ? name : `${path}.${name}`);
    if (found !== null) return found;
  }
  return null;
}

function unmask(sent: unknown, original: unknown, known: Privacy | Catalogue | undefined): unknown {
  if (isRecord(sent) && isRecord(original)) {
    return Object.fromEntries(
      Object.entries(sent).map(([name, value]) => [
        name,
        Object.hasOwn(original, name) ? unmask(value, original[name], fieldOf(known, name)) : value,
      ]),
    );
  }
  return typeof sent === 'string' && sent === mask(original, known) ? original : sent;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value of one field by its path, such as `data.email`. */
export function maskField(path: string, value: string | number): string | number {
  let known: Privacy | Catalogue | undefined = EVENT_CATALOGUE;
  for (const name of path.split('.')) known = fieldOf(known, name);
  return mask(value, known) as string | number;
}

function mask(value: unknown, known: Privacy | Catalogue | undefined): unknown {
  if (typeof value === 'string') return maskText(value, typeof known === 'string' ? known : undefined);
  if (value === null || typeof value === 'boolean') return value;
  if (Array.isArray(value)) return value.map((item) => mask(item, undefined));
  if (typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, mask(field, fieldOf(known, name))]));
  }
  return known === 'open' ? value : HIDDEN;
}

function fieldOf(known: Privacy | Catalogue | undefined, name: string): Privacy | Catalogue | undefined {
  return typeof known === 'object' && Object.hasOwn(known, name) ? known[name] : undefined;
}

function maskText(text: string, privacy: Privacy | undefined): string {
  if (text === '') return text;
  switch (privacy) {
    case 'open':
      return maskOpen(text);
    case 'email':
      return maskEmail(text);
    case 'phone':
      return maskPhone(text);
    case 'text':
      return `${firstOf(text)}${HIDDEN}`;
    case undefined:
      return HIDDEN;
  }
}

/** `ada@example.com` → `a***@e***.com`; what is not an address → its first character. */
function maskEmail(text: string): string {
  const [, local, domain, end] = /^([^@]+)@([^@]+)\.([a-z]{2,10})$/iu.exec(text) ?? [];
  if (local === undefined || domain === undefined) return `${firstOf(text)}${HIDDEN}`;
  return `${firstOf(local)}${HIDDEN}@${firstOf(domain)}${HIDDEN}.${end}`;
}

/** `+49 30 901820` → `+** ** ****20`; what has too few digits to hide any → nothing of it. */
function maskPhone(text: string): string {
  const digits = text.replaceAll(/\D/gu, '').length;
  if (text.length > LONGEST_PHONE || digits < 3 * DIGITS_SHOWN) return HIDDEN;
  let seen = 0;
  return text.replaceAll(/[^ +().-]/gu, (character) => {
    const isDigit = character >= '0' && character <= '9';
    if (isDigit) seen += 1;
    return isDigit && seen > digits - DIGITS_SHOWN ? character : '*';
  });
}

/** A whole character, not half of an emoji. */
function firstOf(text: string): string {
  return String.fromCodePoint(text.codePointAt(0) ?? 0);
}
