import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../platform/config.ts';
import { renderConfigTable, renderEnvExample } from '../../../platform/config-docs.ts';
import { VARIABLES, type Variable } from '../../../platform/variables.ts';

const names = Object.keys(VARIABLES);
const file = readFileSync(new URL('../../../.env.example', import.meta.url), 'utf8');

describe('.env.example', () => {
  it('is what the table of variables says', () => {
    expect(file).toBe(renderEnvExample());
  });

  it('has each variable once, in the order of the table', () => {
    expect([...file.matchAll(/^(?:# )?([A-Z0-9_]+)=/gm)].map((match) => match[1])).toEqual(names);
  });

  it('is a valid configuration and changes nothing', () => {
    const env = Object.fromEntries([...file.matchAll(/^([A-Z0-9_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]));
    expect(loadConfig(env, ['lead.created'])).toEqual(loadConfig({}, ['lead.created']));
  });
});

describe('the configuration table', () => {
  it('has a row of three cells for each variable', () => {
    const rows = renderConfigTable()
      .split('\n')
      .filter((row) => row.startsWith('| `'));
    expect(rows.map((row) => /^\| `([A-Z0-9_]+)` \|/.exec(row)?.[1])).toEqual(names);
    for (const row of rows) expect(row.replaceAll('\\|', '').match(/\|/g)).toHaveLength(4);
  });
});

describe('the table of variables', () => {
  it.each(Object.entries<Variable>(VARIABLES))(
    '%s has a default that its own rule allows, and a meaning',
    (_, variable) => {
      expect(variable.meaning).toMatch(/\.$/);
      if (variable.default !== null) expect(variable.kind.schema.safeParse(variable.default).success).toBe(true);
    },
  );

  it('marks every password and key as secret', () => {
    const secrets = Object.entries<Variable>(VARIABLES).flatMap(([name, variable]) => (variable.secret ? [name] : []));
    expect(secrets).toEqual(names.filter((name) => /PASSWORD$|_KEYS?$|_SECRET$/.test(name)));
  });
});
