-- What becomes of failed events after their first failure, what waits outside the log as ranges, and the books of it all.

-- ---------------------------------------------------------------- failed events

ALTER TABLE analytics.crm_failed_events
    DROP CONSTRAINT crm_failed_events_status_check,
    ADD CONSTRAINT crm_failed_events_status_check CHECK (status IN ('failed', 'dead', 'resolved', 'discarded')),
    ADD COLUMN sqlstate VARCHAR(5),
    ADD COLUMN field VARCHAR(255),
    ADD COLUMN fingerprint TEXT GENERATED ALWAYS AS (md5(
        coalesce(schema_id::text, '-') || ' ' || error_code || ' ' || coalesce(sqlstate, '-') || ' ' || coalesce(field, '-')
    )) STORED,
    ADD COLUMN attempts INTEGER NOT NULL DEFAULT 0,
    -- What a worker of 0.1.0 writes while the new ones start is due as well.
    ADD COLUMN next_attempt_at TIMESTAMP WITH TIME ZONE DEFAULT clock_timestamp(),
    ADD COLUMN errors JSONB NOT NULL DEFAULT '[]',
    ADD COLUMN redrives INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN redrive_id UUID,
    ADD COLUMN correction JSONB,
    ADD COLUMN corrected_by VARCHAR(255),
    ADD COLUMN corrected_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN discard_reason TEXT,
    ADD COLUMN discarded_by VARCHAR(255),
    ADD COLUMN settled_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN settled_as VARCHAR(20) CHECK (settled_as IN ('processed', 'skipped', 'filtered', 'discarded'));
COMMENT ON COLUMN analytics.crm_failed_events.status IS
    'failed: waits for a retry. dead: only a person can help. resolved: a later attempt succeeded. discarded: a person gave it up.';
COMMENT ON COLUMN analytics.crm_failed_events.sqlstate IS 'Of a row that PostgreSQL refused.';
COMMENT ON COLUMN analytics.crm_failed_events.field IS 'The field or column that is wrong, for example data.email.';
COMMENT ON COLUMN analytics.crm_failed_events.fingerprint IS 'The same for events that fail for the same reason: schema, rule and field.';
COMMENT ON COLUMN analytics.crm_failed_events.attempts IS 'Retries and redrives since the first failure.';
COMMENT ON COLUMN analytics.crm_failed_events.next_attempt_at IS 'When a failed event is due again.';
COMMENT ON COLUMN analytics.crm_failed_events.errors IS 'How each attempt before the current error ended: [{at, code, detail}], oldest first, at most 20.';
COMMENT ON COLUMN analytics.crm_failed_events.redrives IS 'Redrives in a row that failed; the guard against redriving in a loop.';
COMMENT ON COLUMN analytics.crm_failed_events.redrive_id IS 'The last redrive that tried it, so that an interrupted one does not try it twice.';
COMMENT ON COLUMN analytics.crm_failed_events.correction IS
    'The event as a person corrected it; redriven instead of the message, which is kept as it came.';

DROP INDEX analytics.crm_failed_events__status_time;
CREATE INDEX crm_failed_events__status ON analytics.crm_failed_events (status, failed_id);
CREATE INDEX crm_failed_events__organization ON analytics.crm_failed_events (organization_id, failed_id);
CREATE INDEX crm_failed_events__fingerprint ON analytics.crm_failed_events (fingerprint, failed_id);
-- All that lists filter by: whatever the filter, one pass over the index finds the next page.
CREATE INDEX crm_failed_events__search ON analytics.crm_failed_events
    (failed_id, status, error_code, event_type, organization_id, schema_id, topic, created_at);
CREATE INDEX crm_failed_events__due ON analytics.crm_failed_events (next_attempt_at) WHERE status = 'failed';

-- ---------------------------------------------------------------- redrives

CREATE TABLE analytics.crm_redrives (
    redrive_id UUID PRIMARY KEY,
    action VARCHAR(20) NOT NULL CHECK (action IN ('redrive', 'discard')),
    filter JSONB NOT NULL,
    fix JSONB,
    reason TEXT,
    force BOOLEAN NOT NULL DEFAULT false,
    rate_per_second INTEGER NOT NULL,
    status VARCHAR(20) NOT NULL CHECK (
        status IN ('awaiting_approval', 'running', 'paused', 'finished', 'cancelled', 'rejected', 'failed')
    ),
    last_failed_id BIGINT NOT NULL,
    total BIGINT NOT NULL,
    processed BIGINT NOT NULL DEFAULT 0,
    skipped BIGINT NOT NULL DEFAULT 0,
    filtered BIGINT NOT NULL DEFAULT 0,
    failed BIGINT NOT NULL DEFAULT 0,
    dead BIGINT NOT NULL DEFAULT 0,
    discarded BIGINT NOT NULL DEFAULT 0,
    left_out BIGINT NOT NULL DEFAULT 0,
    requested_by VARCHAR(255) NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    decided_by VARCHAR(255),
    decided_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE
);
COMMENT ON TABLE analytics.crm_redrives IS 'A person''s request to redrive or discard many failed events, and how it went.';
COMMENT ON COLUMN analytics.crm_redrives.redrive_id IS 'Also the ingestion_id of the rows that it writes.';
COMMENT ON COLUMN analytics.crm_redrives.filter IS 'Which failed events; an event that fails later than the request is not among them.';
COMMENT ON COLUMN analytics.crm_redrives.last_failed_id IS 'The newest failed event that the request can mean.';
COMMENT ON COLUMN analytics.crm_redrives.left_out IS
    'Matched but were not tried: claimed by somebody else meanwhile, or redriven too often in vain.';

-- ---------------------------------------------------------------- streams and parked ranges

CREATE TABLE analytics.crm_streams (
    topic VARCHAR(249) COLLATE "C" NOT NULL,
    schema_id INTEGER NOT NULL,
    state VARCHAR(20) NOT NULL CHECK (state IN ('flowing', 'schema_unknown', 'tripped', 'let_through')),
    reason TEXT NOT NULL,
    changed_by VARCHAR(255),
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (topic, schema_id)
);
COMMENT ON TABLE analytics.crm_streams IS
    'Events of one topic and schema that are, or once were, treated apart. A stream without a row flows.';
COMMENT ON COLUMN analytics.crm_streams.schema_id IS '0 for messages that name no schema.';
COMMENT ON COLUMN analytics.crm_streams.state IS
    'schema_unknown: the registry does not know the id. tripped: too many events failed for good, the circuit breaker parks the stream. let_through: a person lets the failures become dead letters.';

CREATE TABLE analytics.crm_parked_ranges (
    parked_id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES analytics.crm_sources,
    topic VARCHAR(249) COLLATE "C" NOT NULL,
    partition INTEGER NOT NULL,
    schema_id INTEGER NOT NULL,
    reason VARCHAR(20) NOT NULL CHECK (reason IN ('schema_unknown', 'tripped')),
    from_offset BIGINT NOT NULL,
    to_offset BIGINT NOT NULL CHECK (to_offset > from_offset),
    records BIGINT NOT NULL CHECK (records > 0),
    status VARCHAR(20) NOT NULL DEFAULT 'parked' CHECK (status IN ('parked', 'replayed', 'discarded')),
    run_id UUID NOT NULL,
    parked_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    settled_by VARCHAR(255),
    settled_at TIMESTAMP WITH TIME ZONE
);
COMMENT ON TABLE analytics.crm_parked_ranges IS
    'Records that wait in Kafka: those of one schema within [from_offset, to_offset). Coordinates alone, never the records.';
CREATE INDEX crm_parked_ranges__stream ON analytics.crm_parked_ranges (topic, schema_id, parked_id) WHERE status = 'parked';

-- ---------------------------------------------------------------- the books

ALTER TABLE analytics.crm_batches
    ADD COLUMN parked BIGINT NOT NULL DEFAULT 0,
    ADD COLUMN batches INTEGER NOT NULL DEFAULT 1,
    DROP CONSTRAINT crm_batches_balance,
    ADD CONSTRAINT crm_batches_balance CHECK (
        kind <> 'batch' OR records = stored + skipped + filtered + failed + dead + tombstones + parked
    );
COMMENT ON COLUMN analytics.crm_batches.parked IS 'Left in Kafka as a range of crm_parked_ranges.';
COMMENT ON COLUMN analytics.crm_batches.batches IS 'How many batches the row stands for: old ones are folded into hours.';
COMMENT ON COLUMN analytics.crm_batches.skipped IS 'Duplicates, and deliveries that were known before: what changed for those is in crm_moves.';

ALTER TABLE analytics.crm_positions ADD COLUMN first_offset BIGINT;
UPDATE analytics.crm_positions p SET first_offset = COALESCE(
    (
        SELECT b.from_offset FROM analytics.crm_batches b WHERE b.position_id = p.position_id
        ORDER BY b.epoch, b.from_offset LIMIT 1
    ),
    p.next_offset
);
COMMENT ON COLUMN analytics.crm_positions.first_offset IS
    'Where its chain begins. NULL for a position that a worker of 0.1.0 made: where that began is not known.';

CREATE TABLE analytics.crm_moves (
    move_id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    source_id INTEGER NOT NULL REFERENCES analytics.crm_sources,
    partition INTEGER NOT NULL,
    cause VARCHAR(20) NOT NULL CHECK (cause IN ('retry', 'redrive', 'enqueue', 'reread', 'discard')),
    from_status VARCHAR(20) NOT NULL CHECK (from_status IN ('unread', 'failed', 'dead', 'discarded')),
    to_status VARCHAR(20) NOT NULL CHECK (to_status IN ('processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded')),
    events BIGINT NOT NULL CHECK (events > 0),
    run_id UUID NOT NULL,
    moved_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE analytics.crm_moves IS
    'The other part of the books: events whose status changed after the chain had counted them, or (unread) that were ingested outside of it.';

CREATE TABLE analytics.crm_audits (
    audit_id UUID PRIMARY KEY,
    request JSONB NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'finished', 'failed')),
    report JSONB,
    signature TEXT,
    requested_by VARCHAR(255) NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    finished_at TIMESTAMP WITH TIME ZONE
);
COMMENT ON COLUMN analytics.crm_audits.report IS 'What was proved or found wrong: counts, coordinates and organizations, never payloads.';
COMMENT ON COLUMN analytics.crm_audits.signature IS 'Base64 of an Ed25519 signature over the report''s canonical JSON; NULL without a signing key.';

ALTER TABLE analytics.crm_incidents ADD COLUMN details JSONB;
CREATE INDEX crm_incidents__kind ON analytics.crm_incidents (kind, topic, partition, from_offset);

ALTER TABLE analytics.crm_runs
    DROP CONSTRAINT crm_runs_kind_check,
    ADD CONSTRAINT crm_runs_kind_check CHECK (kind IN ('live', 'retry', 'redrive', 'parked'));

-- ---------------------------------------------------------------- assertions

-- As in 000003, and 'CF004': a delivery of the batch has failed before, so that it must be written as one that is read
-- again.
CREATE FUNCTION analytics.crm_assert_first_read(known BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    IF known > 0 THEN
        RAISE EXCEPTION '% deliveries have failed before', known USING ERRCODE = 'CF004';
    END IF;
    RETURN true;
END
$$;
