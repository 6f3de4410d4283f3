/** Passwords that examples, images and tutorials come with, in small letters. */
const WELL_KNOWN = new Set([
  'admin',
  'changeit',
  'changeme',
  'crm',
  'default',
  'development',
  'example',
  'guest',
  'kafka',
  'minioadmin',
  'pass',
  'passw0rd',
  'password',
  'postgres',
  'redis',
  'root',
  'secret',
  'supersecret',
  'temporal',
  'test',
]);

/** Words of which a placeholder is made: `your-secret-here`, `change_me_in_production`, `<password>`. */
const FILLING = new Set([
  'a',
  'an',
  'change',
  'here',
  'in',
  'insert',
  'it',
  'key',
  'me',
  'my',
  'please',
  'production',
  'replace',
  'the',
  'this',
  'to',
  'use',
  'with',
  'your',
]);

/** Whether a secret is a password of examples, a placeholder, or one character over and over. */
export function isWellKnown(secret: string): boolean {
  const plain = secret.toLowerCase().trim();
  if (new Set(plain).size < 2) return true;
  const words = plain.split(/[^a-z0-9]+/u).filter((word) => word !== '');
  // Digits at the end make no secret of it: `password123`.
  const isKnown = (word: string) =>
    WELL_KNOWN.has(word) || WELL_KNOWN.has(word.replace(/\d+$/u, '')) || FILLING.has(word);
  return words.length === 0 || words.every(isKnown);
}
