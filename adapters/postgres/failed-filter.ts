/** A person's filter of failed events as a condition on `analytics.crm_failed_events f`. */
import { type FragmentSqlToken, sql } from 'slonik';
import type { FailedFilter, FailedStatus } from '../../domain/failed-filter.ts';

/**
 * The rows that fit the filter, to be put after WHERE or AND; the table's alias is `f`. Every value is a parameter.
 */
export function matchesFilter(filter: FailedFilter<FailedStatus>): FragmentSqlToken {
  const { status, organizationId, eventType, errorCode, fingerprint, schemaId, topic, from, to, failedIds } = filter;
  const conditions: FragmentSqlToken[] = [];
  if (status !== undefined) conditions.push(sql.fragment`f.status = ${status}`);
  if (organizationId !== undefined) conditions.push(sql.fragment`f.organization_id = ${organizationId}`);
  if (eventType !== undefined) conditions.push(sql.fragment`f.event_type = ${eventType}`);
  if (errorCode !== undefined) conditions.push(sql.fragment`f.error_code = ${errorCode}`);
  if (fingerprint !== undefined) conditions.push(sql.fragment`f.fingerprint = ${fingerprint}`);
  if (schemaId !== undefined) conditions.push(sql.fragment`f.schema_id = ${schemaId}`);
  if (topic !== undefined) conditions.push(sql.fragment`f.topic = ${topic}`);
  if (from !== undefined) conditions.push(sql.fragment`f.created_at >= ${from}::timestamptz`);
  if (to !== undefined) conditions.push(sql.fragment`f.created_at < ${to}::timestamptz`);
  if (failedIds !== undefined) conditions.push(sql.fragment`f.failed_id = ANY (${sql.array(failedIds, 'int8')})`);
  return conditions.length === 0 ? sql.fragment`true` : sql.fragment`(${sql.join(conditions, sql.fragment` AND `)})`;
}
