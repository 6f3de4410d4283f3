import { continueAsNew, proxyActivities, sleep, workflowInfo } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { boundedOptions, parkedReplayOptions } from './activity-options.ts';
import { addTotals, type LaneTotals, NO_TOTALS, type ParkedReplayRequest } from './contracts.ts';

const { startParkedRun, finishRun } = proxyActivities<Activities>(boundedOptions);
const { replayParked } = proxyActivities<Activities>(parkedReplayOptions);

/** Workers remember for some seconds that the registry did not know a schema; they would park its records again. */
const REFUSALS_FORGOTTEN = '6s';

/** Slices in one run of the workflow: some thousand events of history at most. */
const MOST_SLICES = 200;

/** Reads what was parked of one stream again, until nothing of it is left. Positions and counts are in PostgreSQL. */
export async function parkedReplayWorkflow(request: ParkedReplayRequest): Promise<LaneTotals> {
  const { firstExecutionRunId: runId } = workflowInfo();
  const { consumerGroup, totals: before = NO_TOTALS } = request;
  let totals = before;
  await sleep(REFUSALS_FORGOTTEN);
  await startParkedRun({ runId, consumerGroup });
  for (let slice = 0; slice < MOST_SLICES; slice += 1) {
    const result = await replayParked({ ...request, runId });
    totals = addTotals(totals, result.totals);
    if (result.finished) {
      await finishRun({ runId, consumerGroup });
      return totals;
    }
  }
  return await continueAsNew<typeof parkedReplayWorkflow>({ ...request, totals });
}
