import { CancellationScope, log, proxyActivities, rootCause } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { auditOptions, auditPartOptions } from './activity-options.ts';
import type { AuditInput, AuditVerdict } from './contracts.ts';

const { planAudit, failAudit } = proxyActivities<Activities>(auditOptions);
const { auditPartition, concludeAudit } = proxyActivities<Activities>(auditPartOptions);

/**
 * Proves the ranges that an audit asks for, one partition after another, so that it stays out of the way of live reading.
 * The request and the report are in PostgreSQL; here are ids and counts alone.
 */
export async function auditWorkflow(input: AuditInput): Promise<AuditVerdict> {
  try {
    for (const { topic, partition } of await planAudit(input)) {
      const { findings } = await auditPartition({ ...input, topic, partition });
      log.info('Partition audited', { topic, partition, findings });
    }
    return await concludeAudit(input);
  } catch (error) {
    log.warn('The audit ends without a report', { reason: rootCause(error) ?? 'unknown' });
    await CancellationScope.nonCancellable(() => failAudit(input));
    throw error;
  }
}
