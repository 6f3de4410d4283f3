-- Partition maintenance: what a new partition spans, draining the DEFAULT partitions, retiring old partitions, and the
-- reports of the runs.

CREATE SCHEMA analytics_archive;
COMMENT ON SCHEMA analytics_archive IS
    'Partitions that left their table and are kept: <partition>_r<retired_id>, see crm_retired. No workload writes here.';

CREATE TABLE analytics.crm_maintenance (
    maintenance_id UUID PRIMARY KEY,
    dry_run BOOLEAN NOT NULL,
    maintenance_window BOOLEAN NOT NULL,
    status VARCHAR(20) NOT NULL CHECK (status IN ('requested', 'running', 'finished', 'failed', 'skipped')),
    steps JSONB NOT NULL DEFAULT '{}',
    reasons JSONB NOT NULL DEFAULT '[]',
    requested_by VARCHAR(255) NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    started_at TIMESTAMP WITH TIME ZONE,
    touched_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE
);
COMMENT ON TABLE analytics.crm_maintenance IS 'Runs of partition maintenance: who asked, what each step did.';
COMMENT ON COLUMN analytics.crm_maintenance.status IS 'skipped: another run was at work.';
COMMENT ON COLUMN analytics.crm_maintenance.steps IS
    'By name of the step: counts, notes for people, and the statements of a dry run.';
COMMENT ON COLUMN analytics.crm_maintenance.touched_at IS 'When its last step began or ended; one silent for long has died.';
CREATE UNIQUE INDEX crm_maintenance__one_at_a_time ON analytics.crm_maintenance ((true)) WHERE status = 'running';
CREATE INDEX crm_maintenance__latest ON analytics.crm_maintenance (requested_at);

-- ---------------------------------------------------------------- partitions

-- The space that a new partition for `at` fills: its day or month in UTC, less what its neighbours have of it.
CREATE FUNCTION analytics.crm_partition_span(
    parent TEXT, at TIMESTAMPTZ, step TEXT, OUT lower_bound TIMESTAMPTZ, OUT upper_bound TIMESTAMPTZ
)
LANGUAGE sql STABLE AS $$
    WITH whole AS (
        SELECT date_trunc($3, $2 AT TIME ZONE 'UTC') AS begins
    ),
    neighbour AS (
        SELECT max(p.upper_bound) FILTER (WHERE p.upper_bound <= $2) AS below,
            min(p.lower_bound) FILTER (WHERE p.lower_bound > $2) AS above
        FROM analytics.crm_partitions p
        WHERE p.parent = $1
    )
    SELECT greatest(begins AT TIME ZONE 'UTC', below),
        least((begins + ('1 ' || $3)::interval) AT TIME ZONE 'UTC', above)
    FROM whole, neighbour
$$;

CREATE FUNCTION analytics.crm_partition_name(parent TEXT, lower_at TIMESTAMPTZ, upper_at TIMESTAMPTZ) RETURNS TEXT
LANGUAGE sql IMMUTABLE AS $$
    SELECT $1 || '_p' || to_char($2 AT TIME ZONE 'UTC', 'YYYYMMDD')
        || CASE WHEN $3 - $2 = interval '1 day' THEN '' ELSE '_' || to_char($3 AT TIME ZONE 'UTC', 'YYYYMMDD') END
$$;

-- As in 000003, but it neither waits for the others when there is nothing to do, nor fails while the DEFAULT partition
-- holds rows of that span: a lane's events then go there as well, and the drain takes them all.
CREATE OR REPLACE FUNCTION analytics.crm_ensure_partition(parent TEXT, at TIMESTAMPTZ, step TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    span RECORD;
    name TEXT;
BEGIN
    IF step NOT IN ('day', 'month') THEN
        RAISE EXCEPTION 'partition interval must be day or month, not %', step USING ERRCODE = '22023';
    END IF;
    IF analytics.crm_has_partition(parent, at) THEN
        RETURN false;
    END IF;
    -- One at a time: two lanes that meet the same new day must not both attach it.
    PERFORM pg_advisory_xact_lock(hashtext('analytics.crm_ensure_partition'));
    IF analytics.crm_has_partition(parent, at) THEN
        RETURN false;
    END IF;
    SELECT * INTO span FROM analytics.crm_partition_span(parent, at, step);
    name := analytics.crm_partition_name(parent, span.lower_bound, span.upper_bound);
    EXECUTE format('CREATE TABLE analytics.%I (LIKE analytics.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
    EXECUTE format(
        'ALTER TABLE analytics.%I ATTACH PARTITION analytics.%I FOR VALUES FROM (%L) TO (%L)',
        parent, name, span.lower_bound, span.upper_bound
    );
    RETURN true;
EXCEPTION
    WHEN check_violation THEN
        RETURN false;
END
$$;

-- Volatile, so that it sees what was committed while the caller waited for a lock.
CREATE FUNCTION analytics.crm_has_partition(parent TEXT, at TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE sql VOLATILE AS $$
    SELECT EXISTS (
        SELECT 1 FROM analytics.crm_partitions p WHERE p.parent = $1 AND p.lower_bound <= $2 AND $2 < p.upper_bound
    )
$$;

-- ---------------------------------------------------------------- draining

-- The last step of a drain, and the only one that keeps others waiting: makes `draining`, a copy of the rows that the
-- DEFAULT partition holds of a span, exact, and the partition of that span. The whole of it is one statement, so
-- statement_timeout bounds how long its locks are held and waited for. The parent comes first: whoever attaches takes
-- its lock before that of the DEFAULT partition. Returns the number of rows that moved.
CREATE FUNCTION analytics.crm_attach_drained(
    parent TEXT, fallback TEXT, draining TEXT, lower_at TIMESTAMPTZ, upper_at TIMESTAMPTZ
) RETURNS BIGINT
LANGUAGE plpgsql
-- The DEFAULT partition is empty by its statistics, for which the planner would compare every row with every other.
SET enable_nestloop = off
SET enable_mergejoin = off
AS $$
DECLARE
    name TEXT := analytics.crm_partition_name(parent, lower_at, upper_at);
    key TEXT;
    same TEXT;
    moved BIGINT;
BEGIN
    SELECT k.conname, string_agg(format('c.%1$I = d.%1$I', a.attname), ' AND ') || ' AND c *= d' INTO STRICT key, same
    FROM pg_constraint k
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = ANY (k.conkey)
    WHERE k.conrelid = format('analytics.%I', draining)::regclass AND k.contype = 'p'
    GROUP BY k.conname;
    PERFORM pg_advisory_xact_lock(hashtext('analytics.crm_ensure_partition'));
    EXECUTE format('LOCK TABLE ONLY analytics.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
    EXECUTE format('LOCK TABLE analytics.%I IN ACCESS EXCLUSIVE MODE', fallback);
    -- What was changed or deleted since it was copied, then what is new or was changed.
    EXECUTE format(
        'DELETE FROM analytics.%1$I c WHERE NOT EXISTS (SELECT 1 FROM analytics.%2$I d WHERE %3$s)',
        draining, fallback, same
    );
    EXECUTE format(
        'INSERT INTO analytics.%1$I SELECT d.* FROM analytics.%2$I d WHERE d.event_timestamp >= %4$L'
        || ' AND d.event_timestamp < %5$L AND NOT EXISTS (SELECT 1 FROM analytics.%1$I c WHERE %3$s)',
        draining, fallback, same, lower_at, upper_at
    );
    EXECUTE format(
        'DELETE FROM analytics.%I WHERE event_timestamp >= %L AND event_timestamp < %L', fallback, lower_at, upper_at
    );
    GET DIAGNOSTICS moved = ROW_COUNT;
    -- The writer knows the key of the log by its name.
    EXECUTE format('ALTER TABLE analytics.%I RENAME CONSTRAINT %I TO %I', draining, key, name || '_pkey');
    EXECUTE format('ALTER TABLE analytics.%I RENAME TO %I', draining, name);
    EXECUTE format(
        'ALTER TABLE analytics.%I ATTACH PARTITION analytics.%I FOR VALUES FROM (%L) TO (%L)',
        parent, name, lower_at, upper_at
    );
    EXECUTE format('ALTER TABLE analytics.%I DROP CONSTRAINT crm_draining_bounds', name);
    RETURN moved;
END
$$;

-- ---------------------------------------------------------------- retiring

-- Takes a partition out of its table into analytics_archive, in one short statement. DETACH comes first: it locks the
-- parent before anything else, as readers do. Returns the id of its row in crm_retired, whose rows are counted later.
CREATE FUNCTION analytics.crm_retire_partition(parent TEXT, partition TEXT, how TEXT) RETURNS BIGINT
LANGUAGE plpgsql AS $$
DECLARE
    bounds RECORD;
    retired BIGINT;
    archived TEXT;
    index RECORD;
BEGIN
    SELECT p.lower_bound, p.upper_bound INTO STRICT bounds FROM analytics.crm_partitions p
    WHERE p.parent = crm_retire_partition.parent AND p.partition = crm_retire_partition.partition;
    EXECUTE format('ALTER TABLE analytics.%I DETACH PARTITION analytics.%I', parent, partition);
    INSERT INTO analytics.crm_retired AS r (parent, partition, lower_bound, upper_bound, rows, how)
    VALUES (parent, partition, bounds.lower_bound, bounds.upper_bound, 0, how)
    RETURNING r.retired_id INTO retired;
    archived := partition || '_r' || retired;
    EXECUTE format('ALTER TABLE analytics.%I RENAME TO %I', partition, archived);
    -- A partition that was made again for late events brings the same names once more.
    FOR index IN
        SELECT c.relname, row_number() OVER (ORDER BY c.relname) AS n
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indexrelid
        WHERE i.indrelid = format('analytics.%I', archived)::regclass
    LOOP
        EXECUTE format('ALTER INDEX analytics.%I RENAME TO %I', index.relname, archived || '_i' || index.n);
    END LOOP;
    EXECUTE format('ALTER TABLE analytics.%I SET SCHEMA analytics_archive', archived);
    RETURN retired;
END
$$;
