/**
 * Secrets from files: a variable that holds a secret may be left out, and its name with `_FILE` after it say where the
 * secret is, as orchestrators mount them. What such a file holds is never shown.
 */
import { readFileSync } from 'node:fs';
import { maskCredentials } from './mask.ts';
import { VARIABLES, type Variable } from './variables.ts';

/** The variable that names a file for another one; null where that one takes no file, or has a variable for it already. */
export function fileVariableOf(name: string, variable: Variable): string | null {
  const file = `${name}_FILE`;
  return (variable.secret || variable.holdsPassword) && !(file in VARIABLES) ? file : null;
}

/** The names of all of them. */
export function fileVariables(): string[] {
  return Object.entries<Variable>(VARIABLES).flatMap(([name, variable]) => fileVariableOf(name, variable) ?? []);
}

/** @returns the value, or what is wrong; null where no file is named */
export function readSecretVariable(
  env: Readonly<Record<string, string | undefined>>,
  name: string,
  variable: Variable,
): { value: string } | { problem: string } | null {
  const file = fileVariableOf(name, variable);
  const path = file === null ? '' : (env[file]?.trim() ?? '');
  if (file === null || path === '') return null;
  if (env[name]?.trim()) return { problem: `${name} and ${file} are both set; drop one of them` };
  const value = contentOf(path);
  return value === '' || value === null
    ? { problem: `${file} is "${maskCredentials(path)}"; allowed: the path of a readable file that holds ${name}` }
    : { value };
}

/** Without the space and line ends around it; null when it can't be read. */
function contentOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
