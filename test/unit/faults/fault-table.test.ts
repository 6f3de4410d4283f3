import { expect, it } from 'vitest';
import { type FaultReport, faultLine, renderTable } from '../../../scripts/lib/fault-table.ts';

const kill: FaultReport = {
  fault: 'kill -9 of a worker',
  seed: '1',
  produced: 63_900,
  lost: 0,
  doubled: 2,
  recoverySeconds: 9.94,
  rounds: 3,
};

it('tells of a fault in one line', () => {
  expect(faultLine(kill)).toBe(
    'fault: kill -9 of a worker, 3 times (seed 1): produced 63900, lost 0, doubled 2, recovered in 9.9 s',
  );
  expect(faultLine({ ...kill, recoverySeconds: null, rounds: 0 })).toBe(
    'fault: kill -9 of a worker (seed 1): produced 63900, lost 0, doubled 2',
  );
});

it('makes a table in the order of the faults', () => {
  expect(renderTable([kill, { ...kill, fault: 'disk full', recoverySeconds: null }]).split('\n')).toEqual([
    '| Fault               | Rounds | Events | Lost | Doubled | Recovery |',
    '| ------------------- | -----: | -----: | ---: | ------: | -------: |',
    '| disk full           |      3 | 63,900 |    0 |       2 |        – |',
    '| kill -9 of a worker |      3 | 63,900 |    0 |       2 |    9.9 s |',
  ]);
});
