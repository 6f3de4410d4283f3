/** What the generator says: ids on stdout for programs, everything else on stderr for people. */
import type { Produced } from './produce-events.ts';

export interface Report {
  ids(eventIds: readonly string[]): void;
  progress(sent: number, total: number): void;
  produced(produced: Produced, seed: string): void;
  resent(count: number, path: string): void;
  failure(message: string): void;
}

const number = new Intl.NumberFormat('en');

export function createReport({ quiet }: { quiet: boolean }): Report {
  const say = (line: string) => {
    if (!quiet) process.stderr.write(`${line}\n`);
  };
  // Whoever reads the ids may have had enough, such as head: the events are sent all the same.
  process.stdout.on('error', () => {});

  return {
    ids(eventIds) {
      for (const id of eventIds) process.stdout.write(`${id}\n`);
    },

    progress(sent, total) {
      // Beside ids on the same terminal it would only be in the way.
      if (!quiet && process.stderr.isTTY && !process.stdout.isTTY) {
        process.stderr.write(`\r${number.format(sent)} of ${number.format(total)}${sent === total ? '\n' : ''}`);
      }
    },

    produced({ eventIds, byEntity, duplicates, invalid, seconds }, seed) {
      const entities = Object.entries(byEntity).map(([entity, count]) => `${entity} ${number.format(count)}`);
      say(`sent ${number.format(eventIds.length)} events in ${seconds.toFixed(1)} s (${entities.join(', ')})`);
      if (duplicates > 0) say(`sent ${number.format(duplicates)} of them once more`);
      const kinds = Object.entries(invalid).map(([code, count]) => `${code} ${count}`);
      if (kinds.length > 0) say(`sent invalid events besides: ${kinds.join(', ')}`);
      say(`the same command with --seed ${seed} sends the same events again today; --save and --resend do any day`);
    },

    resent(count, path) {
      say(`sent the ${number.format(count)} events of ${path} again`);
    },

    failure(message) {
      process.stderr.write(`${message}\n`);
    },
  };
}
