-- A failed event that is settled after retention took its row of the events log: audits count what became of it.

ALTER TABLE analytics.crm_retired_deliveries
    DROP CONSTRAINT crm_retired_deliveries_events_check,
    ADD CHECK (events <> 0);
COMMENT ON TABLE analytics.crm_retired_deliveries IS
    'Counts of rows that were deleted from crm_events_log by retention, written in the transactions that deleted them; one row for at most 10,000 offsets. A failed event that is settled after its row was deleted or archived adds two: one less of the status it had, one more of the new one.';
