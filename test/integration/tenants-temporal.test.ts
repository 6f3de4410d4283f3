import { describe, expect, it, onTestFinished } from 'vitest';
import { createRedriveControl } from '../../adapters/temporal/redrive-control.ts';
import { createReplayControl } from '../../adapters/temporal/replay-control.ts';
import { redriveWorkflowId, SEARCH_ATTRIBUTES } from '../../workflows/contracts.ts';
import { replayWorkflowId } from '../../workflows/replay-contracts.ts';
import { required } from '../helpers/database.ts';
import { openPlayground } from './temporal-harness.ts';

const REPLAY = { consumerGroup: 'group', lanes: 1, ratePerSecond: 1 };
const REDRIVE = { action: 'redrive', ratePerSecond: 1 } as const;

describe('a replay or redrive that is limited to an organization', () => {
  it('is found by it in Temporal, also where the namespace has but the attributes of before', async () => {
    const { client, namespace, close } = await openPlayground(required('TEMPORAL_ADDRESS'), 'tenants');
    onTestFinished(close);
    const { organization, ...before } = SEARCH_ATTRIBUTES;
    await client.connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(Object.values(before).map((name) => [name, 2])),
    });
    const replays = createReplayControl(client);
    const redrives = createRedriveControl(client);
    await replays.run({ replayId: 'of-a', ...REPLAY }, 'org-a');
    await redrives.run({ redriveId: 'of-a', ...REDRIVE }, 'org-a');
    await redrives.hold({ redriveId: 'of-b', ...REDRIVE }, 'org-b');
    await replays.run({ replayId: 'of-address', ...REPLAY }, 'ada@canary.example');
    await replays.run({ replayId: 'of-all', ...REPLAY }, null);

    const organizationsOf = async (workflowId: string) => {
      const { searchAttributes } = await client.workflow.getHandle(workflowId).describe();
      return searchAttributes[organization];
    };
    expect(await organizationsOf(replayWorkflowId('of-a'))).toEqual(['org-a']);
    expect(await organizationsOf(redriveWorkflowId('of-b'))).toEqual(['org-b']);
    expect(await organizationsOf(replayWorkflowId('of-address'))).toEqual(['***']);
    expect(await organizationsOf(replayWorkflowId('of-all'))).toBeUndefined();

    const found = async () => {
      const ids: string[] = [];
      for await (const { workflowId } of client.workflow.list({ query: `${organization} = 'org-a'` })) {
        ids.push(workflowId);
      }
      return ids.toSorted();
    };
    await expect
      .poll(found, { timeout: 30_000 })
      .toEqual([redriveWorkflowId('of-a'), replayWorkflowId('of-a')].toSorted());
  });
});
