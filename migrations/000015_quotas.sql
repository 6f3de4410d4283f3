-- How many events a second are ingested of an organization. What is over it waits in Kafka, as ranges.

CREATE TABLE analytics.crm_quotas (
    organization_id VARCHAR(100) COLLATE "C" PRIMARY KEY,
    events_per_second INTEGER NOT NULL CHECK (events_per_second BETWEEN 1 AND 1000000),
    changed_by VARCHAR(255) NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE analytics.crm_quotas IS 'Without a row there is no limit.';
COMMENT ON COLUMN analytics.crm_quotas.organization_id IS 'Empty for each organization that has no row of its own.';

CREATE TABLE analytics.crm_quota_buckets (
    organization_id VARCHAR(100) COLLATE "C" PRIMARY KEY,
    events_per_second INTEGER NOT NULL,
    tokens DOUBLE PRECISION NOT NULL,
    granted INTEGER NOT NULL,
    filled_at TIMESTAMP WITH TIME ZONE NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE analytics.crm_quota_buckets IS
    'What is left of each quota just now, for all lanes of all workers. An organization without a row has all of its burst.';
COMMENT ON COLUMN analytics.crm_quota_buckets.granted IS 'What was given of the tokens the last time.';

ALTER TABLE analytics.crm_parked_ranges
    ADD COLUMN organization_id VARCHAR(100) COLLATE "C",
    DROP CONSTRAINT crm_parked_ranges_reason_check,
    ADD CONSTRAINT crm_parked_ranges_reason_check CHECK (reason IN ('schema_unknown', 'tripped', 'over_quota')),
    ADD CONSTRAINT crm_parked_ranges_organization_check CHECK ((reason = 'over_quota') = (organization_id IS NOT NULL));
COMMENT ON COLUMN analytics.crm_parked_ranges.organization_id IS
    'Whose records wait, of those between the offsets, where they are over a quota; whatever their schema.';
CREATE INDEX crm_parked_ranges__organization ON analytics.crm_parked_ranges (organization_id, topic, partition, from_offset)
    WHERE status = 'parked' AND organization_id IS NOT NULL;
