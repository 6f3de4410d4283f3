// node scripts/pii-table.ts: the table of docs/PERSONAL-DATA.md, from the catalogue of personal data.
import { renderPiiTable } from './lib/pii-table.ts';

process.stdout.write(renderPiiTable());
