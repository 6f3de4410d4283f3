import { ApplicationFailure } from '@temporalio/activity';
import { concludes, judge, type LogFacts, type PartitionAudit } from '../domain/audit.ts';
import { canonicalJson } from '../domain/canonical-json.ts';
import type { AuditInput, AuditPartitionInput, AuditVerdict, PartitionId } from '../workflows/contracts.ts';
import { withSafeFailures } from './application-failure.ts';
import type { Audit, AuditStore, AuditTarget, ReportSigner } from './audit-ports.ts';
import { heartbeating } from './heartbeating.ts';
import type { LogReader } from './ports.ts';
import { recount } from './recount.ts';

export interface AuditDeps {
  audits: AuditStore;
  reader: Pick<LogReader, 'bounds' | 'open'>;
  /** null leaves reports unsigned. */
  signer: ReportSigner | null;
}

/** Makes the activities of an audit. What they find is kept in PostgreSQL; histories see ids and counts. */
export function createAudit({ audits, reader, signer }: AuditDeps) {
  return {
    /** The partitions that the request means. */
    planAudit: withSafeFailures(async ({ auditId, consumerGroup }: AuditInput): Promise<PartitionId[]> => {
      const { request } = await found(audits, auditId);
      const targets = await audits.targets(consumerGroup, request);
      return targets.map(({ topic, partition }) => ({ topic, partition }));
    }),

    /** Proves one partition and keeps what it found; done again, it starts over. */
    auditPartition: withSafeFailures(({ auditId, consumerGroup, topic, partition }: AuditPartitionInput) => {
      let offset = 0;
      return heartbeating(
        async (signal): Promise<{ findings: number }> => {
          const { request } = await found(audits, auditId);
          const [target] = await audits.targets(consumerGroup, { ...request, topic, partition });
          if (target === undefined) {
            throw ApplicationFailure.nonRetryable(`${topic}[${partition}] is no longer read`, 'InvalidAudit');
          }
          const asked = { from: request.from ?? null, to: request.to ?? null };
          const counted = await audits.examine(target, asked, (reached) => {
            signal.throwIfAborted();
            offset = reached;
          });
          const facts = await logFacts(target, counted, request.recount, signal);
          const findings = judge(counted, facts);
          await audits.keep(auditId, findings);
          return { findings: findings.findings.length };
        },
        () => ({ topic, partition, offset }),
      );
    }),

    /** Puts the report together, signs it and keeps it. */
    concludeAudit: withSafeFailures(({ auditId, consumerGroup }: AuditInput) =>
      heartbeating(async (): Promise<AuditVerdict> => {
        const { request, report: concluded } = await found(audits, auditId);
        // The answer of an earlier attempt may have been lost; what was signed stays.
        const report =
          concluded ??
          concludes({
            auditId,
            consumerGroup,
            request: {
              topic: request.topic ?? null,
              partition: request.partition ?? null,
              from: request.from ?? null,
              to: request.to ?? null,
              recount: request.recount,
            },
            concludedAt: new Date().toISOString(),
            identities: await audits.identities(),
            partitions: await audits.kept(auditId),
            signedBy: signer?.keyId ?? null,
          });
        if (concluded === null) {
          await audits.finish(auditId, report, signer?.sign(canonicalJson(report)) ?? null);
        }
        const findings = report.partitions.reduce((sum, at) => sum + at.findings.length, report.findings.length);
        return { verdict: report.verdict, partitions: report.partitions.length, findings };
      }),
    ),

    failAudit: withSafeFailures(({ auditId }: AuditInput) => audits.fail(auditId)),
  };

  async function logFacts(
    target: AuditTarget,
    { proved }: PartitionAudit,
    wanted: boolean,
    signal: AbortSignal,
  ): Promise<LogFacts | null> {
    const { topic, partition, positionId } = target;
    if (positionId === null) {
      return null;
    }
    const [bounds] = await reader.bounds([{ topic, partition }]);
    if (bounds === undefined) {
      throw ApplicationFailure.nonRetryable(`${topic}[${partition}] is no longer in Kafka`, 'InvalidAudit');
    }
    const { earliest: start, end } = bounds;
    if (!wanted || proved === null || proved.to > end) {
      return { start, end, recount: null };
    }
    // Whole batches of what Kafka still has.
    const from = start <= proved.from ? proved.from : await audits.firstBatchFrom(target, start);
    if (from === null || from >= proved.to) {
      return { start, end, recount: null };
    }
    const range = { from, to: proved.to };
    const records = await recount(reader, { topic, partition, ...range }, signal);
    return { start, end, recount: { ...range, records, booked: await audits.booked(target, range) } };
  }
}

async function found(audits: Pick<AuditStore, 'find'>, auditId: string): Promise<Audit> {
  const audit = await audits.find(auditId);
  if (audit === null) {
    throw ApplicationFailure.nonRetryable(`there is no audit ${auditId} in PostgreSQL`, 'InvalidAudit');
  }
  return audit;
}
