import { createRandom, type Random } from '../../../scripts/lib/random.ts';

/** How thorough a run is: `test` is part of npm test, `short` and `long` are npm run test:faults without and with --long. */
export type Form = 'test' | 'short' | 'long';

const FORMS: readonly string[] = ['test', 'short', 'long'] satisfies Form[];

/** Set by scripts/faults.ts; npm test runs with the defaults. */
export const parameters = {
  form: formOf(process.env.FAULTS_FORM ?? 'test'),
  seed: process.env.FAULTS_SEED ?? '1',
  /** Events per second. */
  rate: Number(process.env.FAULTS_RATE ?? 2_000),
  /** File that gets one line of JSON for each scenario. */
  report: process.env.FAULTS_REPORT ?? null,
};

function formOf(text: string): Form {
  if (FORMS.includes(text)) return text as Form;
  throw new Error(`FAULTS_FORM=${text}: allowed are ${FORMS.join(', ')}`);
}

/** What differs between the forms, such as the number of rounds. */
export function inForm<T>(choices: Record<Form, T>): T {
  return choices[parameters.form];
}

/** Whether a scenario that npm test has no time for is run. */
export const beyondNpmTest = parameters.form !== 'test';

/** Numbers of the run's seed for one scenario. */
export function seeded(scenario: string): Random {
  return createRandom(`${parameters.seed}/${scenario}`);
}
