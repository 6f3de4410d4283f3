-- The audit log: what identities did through the API. Rows are only ever added, each holds a hash over itself and the one
-- before it, and whole months leave at the old end. See docs/AUDIT-LOG.md; domain/audit-trail.ts makes the hashes.
--
-- For policies of row security: a row may be seen by whoever may see all organizations that it names (`organizations <@`
-- theirs; `&&` besides, which the index answers). A row without organizations concerns the installation, and nobody who is
-- bound sees it. Only work for the whole installation writes. The head is nobody's but the writer's.

CREATE TABLE analytics.crm_audit_log (
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    at TIMESTAMP(3) WITH TIME ZONE NOT NULL,
    kind VARCHAR(20) NOT NULL
        CHECK (kind IN ('attempt', 'outcome', 'read', 'refusal', 'unidentified', 'retention')),
    outcome VARCHAR(20) NOT NULL CHECK (outcome IN ('pending', 'done', 'refused', 'rejected', 'failed')),
    action_id UUID NOT NULL,
    principal TEXT,
    principal_kind VARCHAR(20) CHECK (principal_kind IN ('anonymous', 'token', 'api-key', 'system')),
    permission TEXT,
    method TEXT,
    route TEXT,
    subject JSONB NOT NULL,
    organizations TEXT[] COLLATE "C" CHECK (organizations <> '{}'),
    status SMALLINT,
    problem TEXT,
    request_id TEXT,
    client_address TEXT,
    occurrences INT NOT NULL CHECK (occurrences > 0),
    key_id VARCHAR(16) COLLATE "C",
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (sequence, at)
) PARTITION BY RANGE (at);
COMMENT ON TABLE analytics.crm_audit_log IS
    'What identities did or saw through the API, and what they were refused. Append-only; one partition for each month in UTC.';
COMMENT ON COLUMN analytics.crm_audit_log.sequence IS 'Without gaps. Times never go back along it.';
COMMENT ON COLUMN analytics.crm_audit_log.kind IS
    'attempt: written before a change; outcome: after it, with the same action_id; read: personal data, an export or this log was shown; refusal: of a request to see something; unidentified: requests that nobody was known for, one row for an address and minute; retention: rows up to subject.through left.';
COMMENT ON COLUMN analytics.crm_audit_log.outcome IS
    'pending: only of attempts; done; refused: 401, 403 or 429; rejected: another status from 400; failed: from 500.';
COMMENT ON COLUMN analytics.crm_audit_log.route IS 'The pattern, never the path.';
COMMENT ON COLUMN analytics.crm_audit_log.subject IS
    'Parameters of the path: numbers, UUIDs and names of ours as they are, all else as sha256:…';
COMMENT ON COLUMN analytics.crm_audit_log.organizations IS
    'Those that it concerns, where they are known; NULL for the installation.';
COMMENT ON COLUMN analytics.crm_audit_log.occurrences IS 'How many requests the row stands for.';
COMMENT ON COLUMN analytics.crm_audit_log.key_id IS 'Tells keys apart; NULL for a hash without a key.';
COMMENT ON COLUMN analytics.crm_audit_log.hash IS
    'SHA-256, or HMAC-SHA-256 by a key, over the hash before it and the row as canonical JSON.';
CREATE INDEX crm_audit_log__principal ON analytics.crm_audit_log (principal, sequence);
CREATE INDEX crm_audit_log__organizations ON analytics.crm_audit_log USING gin (organizations);

CREATE TABLE analytics.crm_audit_log_head (
    id BOOLEAN PRIMARY KEY DEFAULT true CHECK (id),
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    at TIMESTAMP(3) WITH TIME ZONE NOT NULL
);
COMMENT ON TABLE analytics.crm_audit_log_head IS
    'The last row of crm_audit_log, moved by compare-and-set in the statement that adds rows.';
INSERT INTO analytics.crm_audit_log_head (sequence, hash, at) VALUES (0, decode(repeat('00', 32), 'hex'), clock_timestamp());

-- ---------------------------------------------------------------- append-only

CREATE FUNCTION analytics.crm_audit_log_refuse() RETURNS TRIGGER
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of crm_audit_log are neither changed nor deleted' USING ERRCODE = '42501';
END
$$;
-- Row triggers are those of every partition as well; of TRUNCATE each partition needs its own, see below.
CREATE TRIGGER crm_audit_log_append_only AFTER UPDATE OR DELETE ON analytics.crm_audit_log
    FOR EACH ROW EXECUTE FUNCTION analytics.crm_audit_log_refuse();
CREATE TRIGGER crm_audit_log_no_truncate BEFORE TRUNCATE ON analytics.crm_audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION analytics.crm_audit_log_refuse();
REVOKE UPDATE, DELETE, TRUNCATE ON analytics.crm_audit_log FROM CURRENT_USER;

-- ---------------------------------------------------------------- months

-- Makes the partition of the month that holds `at`. Returns whether it had to. Runs as its owner, so that whoever writes
-- needs no right to make tables; times far from now are refused.
CREATE FUNCTION analytics.crm_audit_log_ensure(at TIMESTAMPTZ) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month TIMESTAMP := date_trunc('month', at AT TIME ZONE 'UTC');
    name TEXT := 'crm_audit_log_p' || to_char(month, 'YYYYMM');
BEGIN
    IF to_regclass('analytics.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF at NOT BETWEEN clock_timestamp() - interval '2 months' AND clock_timestamp() + interval '6 months' THEN
        RAISE EXCEPTION 'no month of the audit log is made for %', at USING ERRCODE = '22008';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('analytics.crm_audit_log_ensure'));
    IF to_regclass('analytics.' || name) IS NOT NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE analytics.%I (LIKE analytics.crm_audit_log INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format(
        'ALTER TABLE analytics.crm_audit_log ATTACH PARTITION analytics.%I FOR VALUES FROM (%L) TO (%L)',
        name, month AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC'
    );
    EXECUTE format(
        'CREATE TRIGGER crm_audit_log_no_truncate BEFORE TRUNCATE ON analytics.%I'
        || ' FOR EACH STATEMENT EXECUTE FUNCTION analytics.crm_audit_log_refuse()', name
    );
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON analytics.%I FROM CURRENT_USER', name);
    RETURN true;
END
$$;

CREATE VIEW analytics.crm_audit_log_months AS
SELECT child.relname::text AS partition,
       split_part(pg_get_expr(child.relpartbound, child.oid), '''', 2)::timestamptz AS begins,
       split_part(pg_get_expr(child.relpartbound, child.oid), '''', 4)::timestamptz AS ends
FROM pg_inherits
JOIN pg_class child ON child.oid = pg_inherits.inhrelid
WHERE pg_inherits.inhparent = 'analytics.crm_audit_log'::regclass;
COMMENT ON VIEW analytics.crm_audit_log_months IS 'Partitions of crm_audit_log; `ends` is exclusive.';

-- The oldest month, if it ended before `cutoff`, and its last row. Keeps everybody from the table until the transaction
-- ends, which must be soon: the row that says what left and the drop belong together.
CREATE FUNCTION analytics.crm_audit_log_oldest(
    cutoff TIMESTAMPTZ, OUT partition TEXT, OUT first_sequence BIGINT, OUT last_sequence BIGINT, OUT last_hash BYTEA
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    LOCK TABLE analytics.crm_audit_log IN ACCESS EXCLUSIVE MODE;
    SELECT oldest.partition INTO partition
    FROM (SELECT * FROM analytics.crm_audit_log_months m ORDER BY m.begins LIMIT 1) AS oldest
    WHERE oldest.ends <= cutoff;
    IF partition IS NOT NULL THEN
        EXECUTE format('SELECT min(sequence) FROM analytics.%I', partition) INTO first_sequence;
        EXECUTE format('SELECT sequence, hash FROM analytics.%I ORDER BY sequence DESC LIMIT 1', partition)
            INTO last_sequence, last_hash;
    END IF;
END
$$;

-- Drops a month, the oldest alone and none that ended within 30 days.
CREATE FUNCTION analytics.crm_audit_log_drop(month TEXT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM (SELECT * FROM analytics.crm_audit_log_months m ORDER BY m.begins LIMIT 1) AS oldest
    WHERE oldest.partition = month AND oldest.ends <= clock_timestamp() - interval '30 days';
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is not the oldest month of the audit log, or not 30 days old', month USING ERRCODE = '42501';
    END IF;
    EXECUTE format('DROP TABLE analytics.%I', month);
END
$$;
REVOKE ALL ON FUNCTION analytics.crm_audit_log_ensure(TIMESTAMPTZ), analytics.crm_audit_log_oldest(TIMESTAMPTZ),
    analytics.crm_audit_log_drop(TEXT) FROM PUBLIC;

SELECT analytics.crm_audit_log_ensure(clock_timestamp()),
    analytics.crm_audit_log_ensure(clock_timestamp() + interval '1 month');

-- As in 000003; the audit log is not partitioned by event time, and has a retention of its own.
CREATE OR REPLACE VIEW analytics.crm_partitions AS
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
) AS bound(parts) ON true
WHERE parent.relname <> 'crm_audit_log';
