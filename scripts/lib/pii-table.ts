/** The catalogue of personal data as a table for docs/PERSONAL-DATA.md. */
import { maskField } from '../../domain/masking.ts';
import type { Privacy } from '../../domain/pii.ts';
import { storedPersonalData } from '../../domain/pii-columns.ts';

const EXAMPLE: Readonly<Record<Exclude<Privacy, 'open'>, string>> = {
  email: 'ada@example.com',
  phone: '+49 30 901820',
  text: 'Ada',
};

/** One row for each personal field of an event's data, in Markdown. */
export function renderPiiTable(): string {
  const rows = [...storedPersonalData()].map(([field, { privacy, columns }]) => {
    const example = EXAMPLE[privacy];
    const stored = columns.map((column) => `\`${column}\``).join(', ');
    return `| \`data.${field}\` | ${privacy} | \`${example}\` → \`${maskField(`data.${field}`, example)}\` | ${stored} |`;
  });
  return `${['| Field | Kind | Masked | Stored in the clear in |', '| --- | --- | --- | --- |', ...rows].join('\n')}\n`;
}
