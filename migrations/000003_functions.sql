-- True when an event with this id is staged (or was, before its partition was dropped).
CREATE FUNCTION analytics.is_event_processed(event_id VARCHAR) RETURNS BOOLEAN
LANGUAGE sql STABLE STRICT AS $$
    SELECT EXISTS (SELECT 1 FROM analytics.crm_event_ledger l WHERE l.event_id = $1);
$$;

-- Range partitions with their bounds as timestamps. pg_get_expr prints them in the session's time zone and the cast
-- reads them in it.
CREATE VIEW analytics.crm_partitions AS
SELECT parent.relname::text AS parent,
       child.relname::text AS partition,
       pg_get_expr(child.relpartbound, child.oid) = 'DEFAULT' AS is_default,
       CASE
           WHEN bound.parts[1] = 'MINVALUE' THEN '-infinity'::timestamptz
           ELSE trim(both '''' from bound.parts[1])::timestamptz
       END AS lower_bound,
       CASE
           WHEN bound.parts[2] = 'MAXVALUE' THEN 'infinity'::timestamptz
           ELSE trim(both '''' from bound.parts[2])::timestamptz
       END AS upper_bound
FROM pg_inherits
JOIN pg_class parent ON parent.oid = pg_inherits.inhparent AND parent.relkind = 'p'
JOIN pg_namespace namespace ON namespace.oid = parent.relnamespace AND namespace.nspname = 'analytics'
JOIN pg_class child ON child.oid = pg_inherits.inhrelid
JOIN pg_partitioned_table strategy ON strategy.partrelid = parent.oid AND strategy.partstrat = 'r'
LEFT JOIN LATERAL regexp_matches(
    pg_get_expr(child.relpartbound, child.oid), 'FROM \((.+)\) TO \((.+)\)'
) AS bound(parts) ON true;

-- Makes the partition of `parent` that holds `at`, unless there is one. Returns whether it made one.
-- The table is made apart and attached: ATTACH locks the parent in a mode that lets inserts go on, CREATE … PARTITION OF
-- would not. Where partitions of another size are near, the new one fills the space between them, so the interval can be
-- changed on a live table.
CREATE FUNCTION analytics.crm_ensure_partition(parent TEXT, at TIMESTAMPTZ, step TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
DECLARE
    lower_at TIMESTAMPTZ;
    upper_at TIMESTAMPTZ;
    name TEXT;
BEGIN
    IF step NOT IN ('day', 'month') THEN
        RAISE EXCEPTION 'partition interval must be day or month, not %', step USING ERRCODE = '22023';
    END IF;
    -- One at a time: two lanes that meet the same new day must not both attach it.
    PERFORM pg_advisory_xact_lock(hashtext('analytics.crm_ensure_partition'));
    IF EXISTS (
        SELECT 1 FROM analytics.crm_partitions p
        WHERE p.parent = crm_ensure_partition.parent AND p.lower_bound <= at AND at < p.upper_bound
    ) THEN
        RETURN false;
    END IF;

    lower_at := date_trunc(step, at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    upper_at := (date_trunc(step, at AT TIME ZONE 'UTC') + ('1 ' || step)::interval) AT TIME ZONE 'UTC';
    SELECT greatest(lower_at, max(p.upper_bound)) INTO lower_at FROM analytics.crm_partitions p
    WHERE p.parent = crm_ensure_partition.parent AND p.upper_bound <= at;
    SELECT least(upper_at, min(p.lower_bound)) INTO upper_at FROM analytics.crm_partitions p
    WHERE p.parent = crm_ensure_partition.parent AND p.lower_bound > at;

    name := parent || '_p' || to_char(lower_at AT TIME ZONE 'UTC', 'YYYYMMDD');
    IF upper_at - lower_at <> interval '1 day' THEN
        name := name || '_' || to_char(upper_at AT TIME ZONE 'UTC', 'YYYYMMDD');
    END IF;
    EXECUTE format('CREATE TABLE analytics.%I (LIKE analytics.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
    EXECUTE format(
        'ALTER TABLE analytics.%I ATTACH PARTITION analytics.%I FOR VALUES FROM (%L) TO (%L)', parent, name, lower_at, upper_at
    );
    RETURN true;
END
$$;

-- Refuses a batch unless every range it moves is still held at the expected epoch and offset: an UPDATE that matches
-- nothing does not fail by itself. 'CF001' is ours and means: fenced.
CREATE FUNCTION analytics.crm_assert_fence(matched BIGINT, expected BIGINT) RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    IF matched <> expected THEN
        RAISE EXCEPTION 'fenced: % of % ranges are still held', matched, expected USING ERRCODE = 'CF001';
    END IF;
    RETURN true;
END
$$;

-- Refuses a batch whose rows don't add up. 'CF002': another transaction committed one of the ids after this statement
-- took its snapshot; the same statement succeeds when it is sent again. 'CF003': a defect of ours.
CREATE FUNCTION analytics.crm_assert_written(unresolved BIGINT, won BIGINT, staged BIGINT, rejected BIGINT, kept BIGINT)
RETURNS BOOLEAN
LANGUAGE plpgsql AS $$
BEGIN
    IF unresolved > 0 THEN
        RAISE EXCEPTION '% ids were committed by another transaction meanwhile', unresolved USING ERRCODE = 'CF002';
    END IF;
    IF won <> staged OR rejected <> kept THEN
        RAISE EXCEPTION 'unbalanced: % ids won, % staged; % rejected, % kept', won, staged, rejected, kept
            USING ERRCODE = 'CF003';
    END IF;
    RETURN true;
END
$$;
