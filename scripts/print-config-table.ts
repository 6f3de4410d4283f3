// npm run docs:config: the configuration table of the README, from the one list of variables.
import { renderConfigTable } from '../platform/config-docs.ts';

process.stdout.write(`${renderConfigTable()}\n`);
