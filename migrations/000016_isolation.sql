-- Who may see and change which rows: roles with no more than they need, row level security on every table, functions for
-- the little that takes the owner, and masked views for analysts. docs/TENANTS.md and docs/ANALYSTS.md tell how to use it.
--
-- The login that migrates owns the tables and works as before; forced row security lets the owner through by a policy.

-- ---------------------------------------------------------------- roles

-- Roles belong to the cluster: another database's migration may make the same ones at the same moment.
DO $$
DECLARE
    wanted CONSTANT TEXT[] := ARRAY[
        'crm_ingest', 'crm_maintain', 'crm_api', 'crm_tenant', 'crm_read', 'crm_read_masked', 'crm_masked'
    ];
    -- Of those the owner becomes one now and then: the API for a bound request, and this file to make the views.
    becomes CONSTANT TEXT[] := ARRAY['crm_tenant', 'crm_masked'];
    may_become CONSTANT TEXT := CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END;
    role TEXT;
BEGIN
    FOREACH role IN ARRAY wanted LOOP
        IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = role) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
    END LOOP;
    IF NOT EXISTS (
        SELECT 1 FROM pg_auth_members m
        WHERE m.roleid = 'crm_tenant'::regrole AND m.member = 'crm_api'::regrole
    ) THEN
        BEGIN
            GRANT crm_tenant TO crm_api;
        EXCEPTION WHEN unique_violation THEN
            NULL;
        END;
    END IF;
    FOREACH role IN ARRAY becomes LOOP
        IF NOT pg_has_role(current_user, role, may_become) THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION USING
        ERRCODE = '42501',
        MESSAGE = format(
            '%s may not make the roles of this schema. Have a DBA run once, then migrate again: %s GRANT crm_tenant TO crm_api; GRANT crm_tenant, crm_masked TO %I;',
            current_user,
            (SELECT string_agg(format('CREATE ROLE %I NOLOGIN;', w), ' ') FROM unnest(wanted) w
             WHERE w NOT IN (SELECT rolname FROM pg_roles)),
            current_user
        );
END
$$;

-- ---------------------------------------------------------------- whose rows

-- What a bound request may touch: the API sets it on the connection that it uses, as a JSON array. Without it: nothing.
CREATE FUNCTION analytics.crm_scope_organizations() RETURNS TEXT[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT ARRAY(SELECT jsonb_array_elements_text(nullif(current_setting('crm.organizations', true), '')::jsonb))
$$;

CREATE TABLE analytics.crm_reader_organizations (
    reader VARCHAR(63) COLLATE "C" NOT NULL,
    organization_id VARCHAR(100) COLLATE "C" NOT NULL,
    granted_by VARCHAR(255) NOT NULL DEFAULT current_user,
    granted_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (reader, organization_id)
);
COMMENT ON TABLE analytics.crm_reader_organizations IS
    'Which organizations an analyst''s login sees, through crm_read or crm_read_masked. A login without a row sees nothing.';

-- An erasure forgets whom it was about; whose it is stays, so that those who asked for it find it again.
ALTER TABLE analytics.crm_erasures ADD COLUMN organization_id VARCHAR(100) COLLATE "C";
COMMENT ON COLUMN analytics.crm_erasures.organization_id IS
    'The one that its subject names, NULL where it concerns several; forgotten with the subject where it was the subject.';
UPDATE analytics.crm_erasures SET organization_id = subject ->> 'organizationId' WHERE subject IS NOT NULL;

CREATE FUNCTION analytics.crm_own_erasure() RETURNS TRIGGER
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.organization_id := NEW.subject ->> 'organizationId';
    ELSIF NEW.status = 'finished' AND NEW.subject_kind = 'organization' THEN
        NEW.organization_id := NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER crm_erasures__own BEFORE INSERT OR UPDATE ON analytics.crm_erasures
    FOR EACH ROW EXECUTE FUNCTION analytics.crm_own_erasure();

-- Row security of one table, for those who are not bound to organizations: the owner and the workloads `workloads`. What
-- they may do is told by grants.
CREATE FUNCTION analytics.crm_secure_table(secured REGCLASS, workloads TEXT[]) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner TEXT;
BEGIN
    SELECT pg_get_userbyid(c.relowner) INTO STRICT owner FROM pg_class c WHERE c.oid = secured;
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', secured);
    IF EXISTS (SELECT 1 FROM pg_policy p WHERE p.polrelid = secured AND p.polname = 'crm_workload') THEN
        EXECUTE format('DROP POLICY crm_workload ON %s', secured);
    END IF;
    EXECUTE format(
        'CREATE POLICY crm_workload ON %s TO %s USING (true) WITH CHECK (true)',
        secured, (SELECT string_agg(DISTINCT quote_ident(r), ', ') FROM unnest(workloads || owner) r)
    );
END
$$;

-- A partition, or a table that was one: whoever reads it directly passes its parent's policies by, so that maintenance and
-- erasure, which concern all organizations, are the only ones who may.
CREATE FUNCTION analytics.crm_secure_partition(secured REGCLASS) RETURNS VOID
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM analytics.crm_secure_table(secured, ARRAY['crm_maintain']);
    EXECUTE format('REVOKE ALL ON %s FROM PUBLIC', secured);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO crm_maintain', secured);
END
$$;

DO $$
DECLARE
    secured RECORD;
BEGIN
    FOR secured IN
        SELECT c.oid::regclass AS name, c.relispartition OR n.nspname = 'analytics_archive' AS is_partition,
            c.relname LIKE 'crm_audit_log%' AS is_audit_log
        FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('analytics', 'analytics_archive') AND c.relkind IN ('r', 'p')
        ORDER BY c.oid
    LOOP
        IF secured.is_partition AND secured.is_audit_log THEN
            PERFORM analytics.crm_secure_table(secured.name, '{}');
        ELSIF secured.is_partition THEN
            PERFORM analytics.crm_secure_partition(secured.name);
        ELSE
            PERFORM analytics.crm_secure_table(secured.name, ARRAY['crm_ingest', 'crm_maintain', 'crm_api']);
        END IF;
    END LOOP;
END
$$;

-- Rows of one organization. The scope is asked for once a statement, so that an index on organization_id serves it.
DO $$
DECLARE
    secured TEXT;
BEGIN
    FOREACH secured IN ARRAY ARRAY[
        'crm_leads_staging', 'crm_contacts_staging', 'crm_opportunities_staging', 'crm_events_log', 'crm_event_ledger',
        'crm_failed_events', 'crm_overwritten_rows', 'crm_legal_holds', 'crm_erasures', 'crm_retired', 'crm_parked_ranges',
        'crm_quotas', 'crm_quota_buckets'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY crm_tenant ON analytics.%1$I TO crm_tenant
             USING (organization_id = ANY ((SELECT analytics.crm_scope_organizations())::text[]))
             WITH CHECK (organization_id = ANY ((SELECT analytics.crm_scope_organizations())::text[]))', secured
        );
    END LOOP;
    FOREACH secured IN ARRAY ARRAY['crm_redrives', 'crm_replays'] LOOP
        EXECUTE format(
            'CREATE POLICY crm_tenant ON analytics.%1$I TO crm_tenant
             USING (filter ->> ''organizationId'' = ANY ((SELECT analytics.crm_scope_organizations())::text[]))
             WITH CHECK (filter ->> ''organizationId'' = ANY ((SELECT analytics.crm_scope_organizations())::text[]))', secured
        );
    END LOOP;
    FOREACH secured IN ARRAY ARRAY[
        'crm_leads_staging', 'crm_contacts_staging', 'crm_opportunities_staging', 'crm_events_log', 'crm_event_ledger'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY crm_reader ON analytics.%1$I FOR SELECT TO crm_read, crm_masked
             USING (organization_id = ANY (ARRAY(
                 SELECT m.organization_id::text FROM analytics.crm_reader_organizations m WHERE m.reader = current_user::text
             )))', secured
        );
    END LOOP;
END
$$;

CREATE POLICY crm_reader ON analytics.crm_reader_organizations FOR SELECT TO crm_read, crm_read_masked, crm_masked
    USING (reader = current_user::text);

-- The rule of the whole table concerns everybody; people change their own organization's.
CREATE POLICY crm_tenant ON analytics.crm_retention TO crm_tenant
    USING (organization_id = ANY ((SELECT analytics.crm_scope_organizations())::text[]))
    WITH CHECK (organization_id = ANY ((SELECT analytics.crm_scope_organizations())::text[]));
CREATE POLICY crm_tenant_sees_all ON analytics.crm_retention FOR SELECT TO crm_tenant USING (organization_id = '');

-- What belongs to a request of theirs. The inner query is theirs as well, and sees no other's.
CREATE POLICY crm_tenant ON analytics.crm_replay_parts FOR SELECT TO crm_tenant
    USING (replay_id IN (SELECT r.replay_id FROM analytics.crm_replays r));
CREATE POLICY crm_tenant ON analytics.crm_positions FOR SELECT TO crm_tenant
    USING (scope IN (SELECT r.replay_id::text FROM analytics.crm_replays r));
CREATE POLICY crm_tenant ON analytics.crm_batches FOR SELECT TO crm_tenant
    USING (position_id IN (SELECT p.position_id FROM analytics.crm_positions p));
CREATE POLICY crm_tenant ON analytics.crm_erasure_records TO crm_tenant
    USING (erasure_id IN (SELECT e.erasure_id FROM analytics.crm_erasures e));
CREATE POLICY crm_tenant_ends ON analytics.crm_runs FOR UPDATE TO crm_tenant
    USING (run_id IN (SELECT r.replay_id FROM analytics.crm_replays r));
-- A file's name may tell whose it is.
CREATE POLICY crm_tenant ON analytics.crm_sources FOR SELECT TO crm_tenant
    USING (topic NOT LIKE 'file:%' OR source_id IN (SELECT p.source_id FROM analytics.crm_replay_parts p));

-- Whoever sees all organizations that a row names; `&&` is what the index answers.
CREATE POLICY crm_tenant ON analytics.crm_audit_log FOR SELECT TO crm_tenant
    USING (
        organizations <@ (SELECT analytics.crm_scope_organizations())
        AND organizations && (SELECT analytics.crm_scope_organizations())
    );

-- Says nothing of any organization: what kind of run wrote a row, counts of the books, wrapped keys.
CREATE POLICY crm_tenant ON analytics.crm_runs FOR SELECT TO crm_tenant USING (true);
CREATE POLICY crm_tenant ON analytics.crm_moves FOR INSERT TO crm_tenant WITH CHECK (true);
CREATE POLICY crm_tenant ON analytics.crm_retired_deliveries FOR INSERT TO crm_tenant WITH CHECK (true);
CREATE POLICY crm_tenant ON analytics.crm_data_keys FOR SELECT TO crm_tenant USING (true);
CREATE POLICY crm_tenant_adds ON analytics.crm_data_keys FOR INSERT TO crm_tenant WITH CHECK (true);

-- ---------------------------------------------------------------- what takes the owner

-- As in 000007; the partition is secured before it is attached. Everything below runs as the owner, on names that it
-- checks or that it makes by itself.
CREATE OR REPLACE FUNCTION analytics.crm_ensure_partition(parent TEXT, at TIMESTAMPTZ, step TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    span RECORD;
    name TEXT;
BEGIN
    IF step NOT IN ('day', 'month') THEN
        RAISE EXCEPTION 'partition interval must be day or month, not %', step USING ERRCODE = '22023';
    END IF;
    PERFORM analytics.crm_check_parent(parent);
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
    PERFORM analytics.crm_secure_partition(format('analytics.%I', name)::regclass);
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

CREATE FUNCTION analytics.crm_check_parent(parent TEXT) RETURNS VOID
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM analytics.crm_partitions p WHERE p.parent = crm_check_parent.parent) THEN
        RAISE EXCEPTION '% is no table of this schema with partitions by time', parent USING ERRCODE = '42P01';
    END IF;
END
$$;

-- As in 000013; months are nobody's but the owner's.
CREATE OR REPLACE FUNCTION analytics.crm_audit_log_ensure(at TIMESTAMPTZ) RETURNS BOOLEAN
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
    PERFORM analytics.crm_secure_table(format('analytics.%I', name)::regclass, '{}');
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

-- As in 000007, for the tables of a drain alone.
ALTER FUNCTION analytics.crm_attach_drained(TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ) RENAME TO crm_attach_copy;
CREATE FUNCTION analytics.crm_attach_drained(
    parent TEXT, fallback TEXT, draining TEXT, lower_at TIMESTAMPTZ, upper_at TIMESTAMPTZ
) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM analytics.crm_check_parent(parent);
    IF fallback <> parent || '_default' OR draining <> parent || '_draining' THEN
        RAISE EXCEPTION '% and % are not the tables of a drain', fallback, draining USING ERRCODE = '42P01';
    END IF;
    RETURN analytics.crm_attach_copy(parent, fallback, draining, lower_at, upper_at);
END
$$;

ALTER FUNCTION analytics.crm_retire_partition(TEXT, TEXT, TEXT) SECURITY DEFINER SET search_path = pg_catalog, pg_temp;

-- The first step of a drain: a copy of what the DEFAULT partition holds of a span, <parent>_draining. Holds no lock that
-- anybody waits for. The CHECK spares ATTACH a look at each row.
CREATE FUNCTION analytics.crm_copy_default(parent TEXT, lower_at TIMESTAMPTZ, upper_at TIMESTAMPTZ) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    draining TEXT := parent || '_draining';
BEGIN
    PERFORM analytics.crm_check_parent(parent);
    EXECUTE format(
        'CREATE TABLE analytics.%1$I (LIKE analytics.%2$I INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES,'
        || ' CONSTRAINT crm_draining_bounds CHECK (event_timestamp >= %3$L AND event_timestamp < %4$L))',
        draining, parent, lower_at, upper_at
    );
    PERFORM analytics.crm_secure_partition(format('analytics.%I', draining)::regclass);
    EXECUTE format(
        'INSERT INTO analytics.%1$I SELECT * FROM analytics.%2$I WHERE event_timestamp >= %3$L AND event_timestamp < %4$L',
        draining, parent || '_default', lower_at, upper_at
    );
    EXECUTE format('ANALYZE analytics.%I', draining);
END
$$;

-- Throws away what a drain that died has left. Returns whether there was anything.
CREATE FUNCTION analytics.crm_drop_draining(parent TEXT) RETURNS BOOLEAN
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM analytics.crm_check_parent(parent);
    IF to_regclass(format('analytics.%I', parent || '_draining')) IS NULL THEN
        RETURN false;
    END IF;
    EXECUTE format('DROP TABLE analytics.%I', parent || '_draining');
    RETURN true;
END
$$;

-- Rows of a partition, for whoever may archive it but not read it.
CREATE FUNCTION analytics.crm_count_partition(parent TEXT, partition TEXT) RETURNS BIGINT
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    counted BIGINT;
BEGIN
    PERFORM 1 FROM analytics.crm_partitions p
    WHERE p.parent = crm_count_partition.parent AND p.partition = crm_count_partition.partition;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% has no partition %', parent, partition USING ERRCODE = '42P01';
    END IF;
    EXECUTE format('SELECT count(*) FROM analytics.%I', partition) INTO counted;
    RETURN counted;
END
$$;

-- Statistics after many rows went; takes partitions alone.
CREATE FUNCTION analytics.crm_analyze_partition(partition TEXT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM pg_class c
    WHERE c.oid = to_regclass(format('analytics.%I', partition)) AND c.relispartition;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is no partition of this schema', partition USING ERRCODE = '42P01';
    END IF;
    EXECUTE format('ANALYZE analytics.%I', partition);
END
$$;

-- The name of a partition that was detached and is not finished with, as a table of analytics_archive.
CREATE FUNCTION analytics.crm_detached(archived TEXT) RETURNS REGCLASS
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM 1 FROM analytics.crm_retired r WHERE r.how = 'detached' AND r.partition || '_r' || r.retired_id = archived;
    IF NOT FOUND THEN
        RAISE EXCEPTION '% is no detached partition', archived USING ERRCODE = '42P01';
    END IF;
    RETURN format('analytics_archive.%I', archived)::regclass;
END
$$;

-- What is held is written anew, as <archived>_held, so that nothing of the rest is left on the disk.
CREATE FUNCTION analytics.crm_copy_held(archived TEXT, holds TEXT[]) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    source REGCLASS := analytics.crm_detached(archived);
    kept TEXT := archived || '_held';
BEGIN
    EXECUTE format('CREATE TABLE analytics_archive.%I (LIKE %s INCLUDING ALL)', kept, source);
    PERFORM analytics.crm_secure_partition(format('analytics_archive.%I', kept)::regclass);
    EXECUTE format('INSERT INTO analytics_archive.%I SELECT t.* FROM %s t WHERE t.organization_id = ANY ($1)', kept, source)
    USING holds;
END
$$;

-- The table's own lock comes first, so that nobody who still reads it has those who place a hold wait for longer.
CREATE FUNCTION analytics.crm_lock_detached(archived TEXT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', analytics.crm_detached(archived));
    LOCK TABLE analytics.crm_legal_holds IN SHARE MODE;
END
$$;

-- Drops it; the copy of what is held, where there is one, takes its name.
CREATE FUNCTION analytics.crm_drop_detached(archived TEXT) RETURNS VOID
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('DROP TABLE %s', analytics.crm_detached(archived));
    IF to_regclass(format('analytics_archive.%I', archived || '_held')) IS NOT NULL THEN
        EXECUTE format('ALTER TABLE analytics_archive.%I RENAME TO %I', archived || '_held', archived);
    END IF;
END
$$;

-- ---------------------------------------------------------------- grants

REVOKE ALL ON SCHEMA analytics, analytics_archive FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA analytics FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA analytics FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA analytics FROM PUBLIC;

GRANT USAGE ON SCHEMA analytics TO crm_ingest, crm_maintain, crm_api, crm_tenant, crm_read, crm_masked;
GRANT USAGE ON SCHEMA analytics_archive TO crm_maintain;
GRANT SELECT ON analytics.crm_partitions TO crm_ingest, crm_maintain, crm_api;
GRANT EXECUTE ON FUNCTION analytics.crm_scope_organizations() TO crm_tenant;
GRANT EXECUTE ON FUNCTION analytics.is_event_processed(VARCHAR) TO crm_ingest, crm_maintain, crm_api, crm_tenant, crm_read;

-- The lanes, retries, redrives, replays and the books.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    analytics.crm_leads_staging, analytics.crm_contacts_staging, analytics.crm_opportunities_staging,
    analytics.crm_batches, analytics.crm_replay_parts
    TO crm_ingest;
GRANT SELECT, INSERT, UPDATE ON
    analytics.crm_events_log, analytics.crm_event_ledger, analytics.crm_runs, analytics.crm_positions,
    analytics.crm_failed_events, analytics.crm_parked_ranges, analytics.crm_streams, analytics.crm_quota_buckets
    TO crm_ingest;
GRANT SELECT, INSERT ON
    analytics.crm_sources, analytics.crm_moves, analytics.crm_incidents, analytics.crm_overwritten_rows,
    analytics.crm_retired_deliveries, analytics.crm_data_keys
    TO crm_ingest;
GRANT SELECT, UPDATE ON analytics.crm_redrives, analytics.crm_replays, analytics.crm_audits TO crm_ingest;
GRANT SELECT ON
    analytics.crm_suppressed, analytics.crm_suppression_version, analytics.crm_retention, analytics.crm_legal_holds,
    analytics.crm_retired, analytics.crm_ledger_prunes, analytics.crm_quotas
    TO crm_ingest;
GRANT EXECUTE ON FUNCTION
    analytics.crm_assert_fence(BIGINT, BIGINT), analytics.crm_assert_written(BIGINT, BIGINT, BIGINT, BIGINT, BIGINT),
    analytics.crm_assert_first_read(BIGINT), analytics.crm_assert_new(BIGINT, BIGINT, BIGINT, BIGINT),
    analytics.crm_assert_suppression(BIGINT), analytics.crm_suppression_lock(),
    analytics.crm_ensure_partition(TEXT, TIMESTAMPTZ, TEXT)
    TO crm_ingest;

-- Partitions, retention, erasure, and what they are told by.
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.crm_erasure_records, analytics.crm_overwritten_rows TO crm_maintain;
GRANT SELECT, INSERT, UPDATE ON
    analytics.crm_retired, analytics.crm_maintenance, analytics.crm_erasure_counts, analytics.crm_audits
    TO crm_maintain;
GRANT SELECT, INSERT ON
    analytics.crm_retired_deliveries, analytics.crm_ledger_prunes, analytics.crm_incidents, analytics.crm_moves,
    analytics.crm_suppressed, analytics.crm_data_keys
    TO crm_maintain;
GRANT SELECT, UPDATE ON
    analytics.crm_event_ledger, analytics.crm_events_log, analytics.crm_failed_events, analytics.crm_erasures,
    analytics.crm_suppression_version, analytics.crm_redrives, analytics.crm_replays, analytics.crm_replay_parts,
    analytics.crm_data_keys
    TO crm_maintain;
GRANT SELECT ON
    analytics.crm_leads_staging, analytics.crm_contacts_staging, analytics.crm_opportunities_staging,
    analytics.crm_sources, analytics.crm_runs, analytics.crm_positions, analytics.crm_batches, analytics.crm_retention,
    analytics.crm_legal_holds, analytics.crm_parked_ranges, analytics.crm_quotas
    TO crm_maintain;
GRANT EXECUTE ON FUNCTION
    analytics.crm_partition_span(TEXT, TIMESTAMPTZ, TEXT), analytics.crm_suppression_lock(),
    analytics.crm_ensure_partition(TEXT, TIMESTAMPTZ, TEXT),
    analytics.crm_copy_default(TEXT, TIMESTAMPTZ, TIMESTAMPTZ), analytics.crm_drop_draining(TEXT),
    analytics.crm_attach_drained(TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ),
    analytics.crm_retire_partition(TEXT, TEXT, TEXT), analytics.crm_analyze_partition(TEXT),
    analytics.crm_copy_held(TEXT, TEXT[]), analytics.crm_lock_detached(TEXT), analytics.crm_drop_detached(TEXT)
    TO crm_maintain;

-- Those who speak for the whole installation through the API.
GRANT SELECT, INSERT, UPDATE, DELETE ON
    analytics.crm_retention, analytics.crm_legal_holds, analytics.crm_quotas
    TO crm_api;
GRANT SELECT, INSERT, UPDATE ON
    analytics.crm_redrives, analytics.crm_replays, analytics.crm_audits, analytics.crm_maintenance,
    analytics.crm_erasures, analytics.crm_streams, analytics.crm_api_keys
    TO crm_api;
GRANT SELECT, INSERT ON analytics.crm_moves, analytics.crm_incidents, analytics.crm_data_keys TO crm_api;
GRANT INSERT ON analytics.crm_retired_deliveries TO crm_api;
GRANT SELECT, UPDATE ON
    analytics.crm_failed_events, analytics.crm_events_log, analytics.crm_parked_ranges, analytics.crm_runs,
    analytics.crm_retired
    TO crm_api;
GRANT SELECT, DELETE ON analytics.crm_erasure_records TO crm_api;
GRANT SELECT ON
    analytics.crm_leads_staging, analytics.crm_contacts_staging, analytics.crm_opportunities_staging,
    analytics.crm_event_ledger, analytics.crm_sources, analytics.crm_positions, analytics.crm_batches,
    analytics.crm_overwritten_rows, analytics.crm_replay_parts, analytics.crm_suppressed,
    analytics.crm_suppression_version, analytics.crm_ledger_prunes, analytics.crm_quota_buckets
    TO crm_api;
GRANT EXECUTE ON FUNCTION
    analytics.crm_ensure_partition(TEXT, TIMESTAMPTZ, TEXT), analytics.crm_retire_partition(TEXT, TEXT, TEXT),
    analytics.crm_count_partition(TEXT, TEXT)
    TO crm_api;

GRANT SELECT, INSERT ON analytics.crm_audit_log TO crm_api, crm_maintain;
GRANT SELECT, UPDATE ON analytics.crm_audit_log_head TO crm_api, crm_maintain;
GRANT SELECT ON analytics.crm_audit_log_months TO crm_api, crm_maintain;
GRANT EXECUTE ON FUNCTION analytics.crm_audit_log_ensure(TIMESTAMPTZ) TO crm_api, crm_maintain;
GRANT EXECUTE ON FUNCTION analytics.crm_audit_log_oldest(TIMESTAMPTZ), analytics.crm_audit_log_drop(TEXT) TO crm_maintain;

-- Those who are bound to organizations.
GRANT SELECT, INSERT, UPDATE, DELETE ON analytics.crm_retention, analytics.crm_legal_holds TO crm_tenant;
GRANT SELECT, INSERT, UPDATE ON analytics.crm_redrives, analytics.crm_replays, analytics.crm_erasures TO crm_tenant;
GRANT SELECT, INSERT ON analytics.crm_data_keys TO crm_tenant;
GRANT SELECT ON analytics.crm_audit_log TO crm_tenant;
GRANT INSERT ON analytics.crm_moves, analytics.crm_retired_deliveries TO crm_tenant;
GRANT SELECT, UPDATE ON analytics.crm_failed_events, analytics.crm_events_log, analytics.crm_runs TO crm_tenant;
GRANT SELECT, DELETE ON analytics.crm_erasure_records TO crm_tenant;
GRANT SELECT ON
    analytics.crm_leads_staging, analytics.crm_contacts_staging, analytics.crm_opportunities_staging,
    analytics.crm_event_ledger, analytics.crm_sources, analytics.crm_positions, analytics.crm_batches,
    analytics.crm_overwritten_rows, analytics.crm_replay_parts, analytics.crm_parked_ranges, analytics.crm_quotas,
    analytics.crm_quota_buckets
    TO crm_tenant;

-- Analysts. The messages of failed events are not for them.
GRANT SELECT ON
    analytics.crm_leads_staging, analytics.crm_contacts_staging, analytics.crm_opportunities_staging,
    analytics.crm_events_log, analytics.crm_event_ledger, analytics.crm_reader_organizations
    TO crm_read;
GRANT SELECT ON
    analytics.crm_leads_staging, analytics.crm_contacts_staging, analytics.crm_opportunities_staging,
    analytics.crm_events_log, analytics.crm_reader_organizations
    TO crm_masked;

-- ---------------------------------------------------------------- masked views

-- Views see what their owner may see, and from PostgreSQL 15 on what they could see as their caller. So that 12 to 14 are
-- as good, their owner is a role that the same policies bind; whom they let see what is asked of the caller's name.
CREATE SCHEMA analytics_masked;
GRANT USAGE ON SCHEMA analytics_masked TO crm_read, crm_read_masked;
GRANT USAGE, CREATE ON SCHEMA analytics_masked TO crm_masked;
COMMENT ON SCHEMA analytics_masked IS 'For analysts who may not see personal data: as domain/masking.ts shows it.';

-- What is open is shown as it is, unless it holds an e-mail address.
CREATE FUNCTION analytics_masked.mask_open(value TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN strpos(value, '@') > 0 THEN '***' ELSE value END
$$;

CREATE FUNCTION analytics_masked.mask_text(value TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN value = '' THEN value ELSE left(value, 1) || '***' END
$$;

-- ada@example.com is a***@e***.com. \017F and \212A are what else counts as a letter in another case of s and k.
CREATE FUNCTION analytics_masked.mask_email(value TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN value COLLATE "C" ~ '^[^@]+@[^@]+\.[a-zA-Z\u017F\u212A]{2,10}$'
            THEN left(value, 1) || '***@' || left(split_part(value, '@', 2), 1) || '***.'
                || substring(value COLLATE "C" FROM '[^.]*$')
        ELSE analytics_masked.mask_text(value)
    END
$$;

-- +49 30 901820 is +** ** ****20. The length is that of UTF-16, as the application counts it.
CREATE FUNCTION analytics_masked.mask_phone(value TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE
        WHEN value = '' THEN value
        WHEN length(value) + length(regexp_replace(value COLLATE "C", '[\u0001-\uFFFF]', '', 'g')) > 40 THEN '***'
        WHEN length(regexp_replace(value COLLATE "C", '[^0-9]', '', 'g')) < 6 THEN '***'
        ELSE regexp_replace(
                regexp_replace(value COLLATE "C", '[0-9][^0-9]*[0-9][^0-9]*$', ''), '[^ +().-]', '*', 'g'
            ) || regexp_replace(
                substring(value COLLATE "C" FROM '[0-9][^0-9]*[0-9][^0-9]*$'), '[^0-9 +().-]', '*', 'g'
            )
    END
$$;

-- Whatever the catalogue does not know is hidden, however deep it lies.
CREATE FUNCTION analytics_masked.mask_unknown(value JSONB) RETURNS JSONB
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN (SELECT coalesce(jsonb_object_agg(f.key, analytics_masked.mask_unknown(f.value)), '{}')
                FROM jsonb_each(value) f);
        WHEN 'array' THEN
            RETURN (SELECT coalesce(jsonb_agg(analytics_masked.mask_unknown(e.value) ORDER BY e.nr), '[]')
                FROM jsonb_array_elements(value) WITH ORDINALITY AS e(value, nr));
        WHEN 'string' THEN
            RETURN CASE WHEN value = '""' THEN value ELSE '"***"' END;
        WHEN 'number' THEN
            RETURN '"***"';
        ELSE
            RETURN value;
    END CASE;
END
$$;

-- An event's metadata, of which the catalogue knows these three.
CREATE FUNCTION analytics_masked.mask_metadata(value JSONB) RETURNS JSONB
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT CASE WHEN jsonb_typeof(value) <> 'object' THEN analytics_masked.mask_unknown(value) ELSE (
        SELECT coalesce(jsonb_object_agg(f.key, CASE
            WHEN f.key NOT IN ('source', 'version', 'correlationId') THEN analytics_masked.mask_unknown(f.value)
            WHEN jsonb_typeof(f.value) = 'string' THEN to_jsonb(analytics_masked.mask_open(f.value #>> '{}'))
            WHEN jsonb_typeof(f.value) = 'number' THEN f.value
            ELSE analytics_masked.mask_unknown(f.value)
        END), '{}')
        FROM jsonb_each(value) f
    ) END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA analytics_masked FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA analytics_masked TO crm_masked, crm_read, crm_read_masked;

SET LOCAL ROLE crm_masked;

CREATE VIEW analytics_masked.crm_leads AS
SELECT
    s.id,
    analytics_masked.mask_open(s.event_id) AS event_id,
    analytics_masked.mask_open(s.lead_id) AS lead_id,
    analytics_masked.mask_text(s.first_name) AS first_name,
    analytics_masked.mask_text(s.last_name) AS last_name,
    analytics_masked.mask_email(s.email) AS email,
    analytics_masked.mask_phone(s.phone) AS phone,
    analytics_masked.mask_text(s.company) AS company,
    analytics_masked.mask_text(s.title) AS title,
    analytics_masked.mask_open(s.source) AS source,
    analytics_masked.mask_open(s.status) AS status,
    s.score,
    analytics_masked.mask_text(s.assigned_to) AS assigned_to,
    s.created_at,
    s.updated_at,
    analytics_masked.mask_open(s.organization_id) AS organization_id,
    s.event_timestamp,
    analytics_masked.mask_open(s.event_type) AS event_type,
    s.processed_at,
    analytics_masked.mask_metadata(s.metadata) AS metadata,
    s.ingestion_id
FROM analytics.crm_leads_staging s;

CREATE VIEW analytics_masked.crm_contacts AS
SELECT
    s.id,
    analytics_masked.mask_open(s.event_id) AS event_id,
    analytics_masked.mask_open(s.contact_id) AS contact_id,
    analytics_masked.mask_text(s.first_name) AS first_name,
    analytics_masked.mask_text(s.last_name) AS last_name,
    analytics_masked.mask_email(s.email) AS email,
    analytics_masked.mask_phone(s.phone) AS phone,
    analytics_masked.mask_text(s.company) AS company,
    analytics_masked.mask_text(s.title) AS title,
    analytics_masked.mask_open(s.lead_id) AS lead_id,
    s.created_at,
    s.updated_at,
    analytics_masked.mask_open(s.organization_id) AS organization_id,
    s.event_timestamp,
    analytics_masked.mask_open(s.event_type) AS event_type,
    s.processed_at,
    analytics_masked.mask_metadata(s.metadata) AS metadata,
    s.ingestion_id
FROM analytics.crm_contacts_staging s;

CREATE VIEW analytics_masked.crm_opportunities AS
SELECT
    s.id,
    analytics_masked.mask_open(s.event_id) AS event_id,
    analytics_masked.mask_open(s.opportunity_id) AS opportunity_id,
    analytics_masked.mask_text(s.name) AS name,
    analytics_masked.mask_open(s.lead_id) AS lead_id,
    analytics_masked.mask_open(s.contact_id) AS contact_id,
    s.amount,
    analytics_masked.mask_open(s.currency) AS currency,
    analytics_masked.mask_open(s.stage) AS stage,
    s.probability,
    s.expected_close_date,
    s.created_at,
    s.updated_at,
    analytics_masked.mask_open(s.organization_id) AS organization_id,
    s.event_timestamp,
    analytics_masked.mask_open(s.event_type) AS event_type,
    s.processed_at,
    analytics_masked.mask_metadata(s.metadata) AS metadata,
    s.ingestion_id
FROM analytics.crm_opportunities_staging s;

-- Without what people wrote of it and whatever else the log has beside an event.
CREATE VIEW analytics_masked.crm_events AS
SELECT
    l.id,
    analytics_masked.mask_open(l.event_id) AS event_id,
    analytics_masked.mask_open(l.event_type) AS event_type,
    l.topic,
    l.partition,
    l."offset",
    l.topic_incarnation,
    analytics_masked.mask_open(l.organization_id) AS organization_id,
    l.event_timestamp,
    l.processed_at,
    l.processing_status,
    l.metadata ->> 'reason' AS reason,
    l.retry_count,
    l.schema_id,
    l.ingestion_id
FROM analytics.crm_events_log l;

GRANT SELECT ON ALL TABLES IN SCHEMA analytics_masked TO crm_read, crm_read_masked;

RESET ROLE;
REVOKE CREATE ON SCHEMA analytics_masked FROM crm_masked;
