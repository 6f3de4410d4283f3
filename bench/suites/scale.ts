// `npm run bench -- scale`: the full path where one thing is otherwise: more partitions, larger events, fuller tables.
import { type Command, InvalidArgumentError } from 'commander';
import { positive } from '../command.ts';
import { deleteLogs, withEnvironment } from '../environment.ts';
import { type DimensionResult, measureDimension, type OpenDimension } from '../scale/dimension.ts';
import { duplicates } from '../scale/duplicates.ts';
import { renderScale } from '../scale/report.ts';
import { large, rows } from '../scale/rows.ts';
import { organizations, partitions, sizes, workers } from '../scale/shapes.ts';
import { closingAfterwards } from '../servers.ts';
import { renderSettings } from '../tables.ts';
import type { CommonOptions, Suite } from './suite.ts';

const DIMENSIONS = { partitions, workers, rows, sizes, organizations, duplicates } satisfies Record<
  string,
  OpenDimension
>;
type Name = keyof typeof DIMENSIONS;

interface ScaleOptions extends CommonOptions {
  events: number;
  rounds: number;
  only: Name[];
  large?: boolean;
}

const PARTITIONS = 6;

export const scale: Suite<ScaleOptions> = {
  name: 'scale',
  summary: 'the full path with other partitions, workers, rows, sizes, organizations, duplicates',
  configure(command: Command) {
    const names = Object.keys(DIMENSIONS) as Name[];
    command
      .option('--events <n>', 'events that are read each time', positive, 200_000)
      .option('--rounds <n>', 'how often; the ratios are medians over the rounds', positive, 5)
      .option('--only <list>', `some of ${names.join(',')}`, parseNames, names)
      .option('--large', 'also into a ledger of 50 million events, which takes some 35 GB of disk and a while to fill');
  },
  async run({ events, rounds, only, large: withLarge = false, databaseUrl, keep }, { log, report }) {
    await withEnvironment({ events, partitions: PARTITIONS, databaseUrl, keep, log }, async (environment) => {
      const results: DimensionResult[] = [];
      for (const open of [...only.map((name) => DIMENSIONS[name]), ...(withLarge ? [large] : [])]) {
        const result = await closingAfterwards(log, async (closing) =>
          measureDimension(environment, await open(environment, log, closing), rounds, log),
        );
        results.push(result);
      }
      const counts = `${events.toLocaleString('en-US')} events, ${PARTITIONS} partitions a topic, ${environment.settings.lanes} lanes, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} unless said otherwise.`;
      const others = results.flatMap((result) => result.others);
      const settings = await renderSettings(environment.servers.DATABASE_URL);
      await report({ paragraphs: [...renderScale(results), counts, settings], versions: environment.versions, others });
      await deleteLogs(environment);
    });
  },
};

/** @throws InvalidArgumentError for a name that is none */
function parseNames(text: string): Name[] {
  return text.split(',').map((name) => {
    if (!Object.hasOwn(DIMENSIONS, name)) throw new InvalidArgumentError(`there is no "${name}".`);
    return name as Name;
  });
}
