-- What of the events log left it by retention, so that audits can still add up what was read and what became of it.

CREATE TABLE analytics.crm_retired_deliveries (
    topic VARCHAR(249) COLLATE "C" NOT NULL,
    topic_incarnation INTEGER NOT NULL,
    partition INTEGER NOT NULL,
    first_offset BIGINT NOT NULL,
    last_offset BIGINT NOT NULL,
    processing_status VARCHAR(20) NOT NULL,
    events BIGINT NOT NULL CHECK (events > 0),
    retired_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    CHECK (last_offset >= first_offset)
);
COMMENT ON TABLE analytics.crm_retired_deliveries IS
    'Counts of rows that were deleted from crm_events_log by retention, written in the transactions that deleted them; one row for at most 10,000 offsets.';
CREATE INDEX crm_retired_deliveries__offsets ON analytics.crm_retired_deliveries (topic, partition, first_offset);
