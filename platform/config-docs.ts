/** Renders the table of variables for people: `.env.example` and the README's configuration table. */

import { fileVariableOf } from './secret-files.ts';
import { freeText } from './variable-kinds.ts';
import { VARIABLE_GROUPS, type Variable } from './variables.ts';

const LINE_WIDTH = 100;

/** The whole of `.env.example`: variables with a default are set to it, the others stand as comments. */
export function renderEnvExample(): string {
  const groups = Object.entries<Record<string, Variable>>(VARIABLE_GROUPS).map(([group, variables]) => {
    const entries = Object.entries(variables).map(([name, variable]) =>
      [
        ...wrap(meaningOf(name, variable)).map((text) => `# ${text}`),
        variable.default === null ? `# ${name}=` : `${name}=${variable.default}`,
      ].join('\n'),
    );
    return [`# ---- ${group}`, ...entries].join('\n\n');
  });
  const head = '# Every variable with its default. Copy to .env; a variable that is set to nothing counts as left out.';
  return `${[head, ...groups].join('\n\n')}\n`;
}

/** The README's configuration table, in Markdown, without a heading. */
export function renderConfigTable(): string {
  const rows = Object.entries<Record<string, Variable>>(VARIABLE_GROUPS).flatMap(([group, variables]) => [
    `| **${group}** | | |`,
    ...Object.entries(variables).map(
      ([name, variable]) => `| \`${name}\` | ${shownDefault(variable)} | ${cell(meaningOf(name, variable))} |`,
    ),
  ]);
  return `${['| Variable | Default | Meaning |', '| --- | --- | --- |', ...rows].join('\n')}\n`;
}

function meaningOf(name: string, variable: Variable): string {
  const file = fileVariableOf(name, variable);
  const orFile = file === null ? '' : ` Or ${file}: a file that holds it.`;
  return `${variable.meaning}${allowed(variable)}${orFile}`;
}

function shownDefault(variable: Variable): string {
  return variable.default === null
    ? ''
    : `\`${variable.default}\`${variable.kind.unit ? ` ${variable.kind.unit}` : ''}`;
}

function allowed(variable: Variable): string {
  return variable.kind === freeText ? '' : ` Allowed: ${variable.kind.allowed}.`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > LINE_WIDTH) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
