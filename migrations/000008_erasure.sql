-- Erasure of persons and organizations: the list of whom the writers must not bring back, requests, and their proofs.

CREATE TABLE analytics.crm_suppressed (
    kind VARCHAR(20) NOT NULL CHECK (kind IN ('email', 'record', 'record-anywhere', 'organization')),
    hash VARCHAR(43) COLLATE "C" NOT NULL,
    key_id VARCHAR(16) COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    erasure_id UUID NOT NULL,
    added_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (hash, kind)
);
COMMENT ON TABLE analytics.crm_suppressed IS
    'Whom the writers must not stage again. Change it only under the exclusive lock of crm_suppression_lock(), and raise the version in the same transaction.';
COMMENT ON COLUMN analytics.crm_suppressed.kind IS
    'email; record: organization, entity and id; record-anywhere: entity and id in any organization; organization.';
COMMENT ON COLUMN analytics.crm_suppressed.hash IS 'HMAC-SHA-256 over the identifier in base64url; says nothing without the key.';
COMMENT ON COLUMN analytics.crm_suppressed.key_id IS 'Tells keys apart: a writer with another key must not write.';
COMMENT ON COLUMN analytics.crm_suppressed.version IS 'Of the list that was the first to hold it.';
CREATE INDEX crm_suppressed__version ON analytics.crm_suppressed (version);

CREATE TABLE analytics.crm_erasures (
    erasure_id UUID PRIMARY KEY,
    subject JSONB,
    subject_kind VARCHAR(20) NOT NULL CHECK (subject_kind IN ('email', 'records', 'organization')),
    action VARCHAR(20) NOT NULL CHECK (action IN ('delete', 'pseudonymize')),
    reason TEXT NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'finished', 'failed')),
    failure TEXT,
    report JSONB,
    signature TEXT,
    requested_by VARCHAR(255) NOT NULL,
    requested_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT crm_erasures_forgets CHECK ((status = 'running') = (subject IS NOT NULL))
);
COMMENT ON TABLE analytics.crm_erasures IS 'Requests to erase a person or an organization, and how they went.';
COMMENT ON COLUMN analytics.crm_erasures.subject IS 'Who, in the clear; NULL as soon as the erasure has ended.';
COMMENT ON COLUMN analytics.crm_erasures.report IS 'The proof: counts, times and keyed hashes.';
COMMENT ON COLUMN analytics.crm_erasures.signature IS 'As in crm_audits.';

CREATE TABLE analytics.crm_erasure_records (
    erasure_id UUID NOT NULL REFERENCES analytics.crm_erasures,
    entity SMALLINT NOT NULL,
    record_id VARCHAR(255) COLLATE "C" NOT NULL,
    organization_id VARCHAR(100) COLLATE "C" NOT NULL,
    token VARCHAR(43) COLLATE "C" NOT NULL,
    PRIMARY KEY (erasure_id, entity, record_id, organization_id)
);
COMMENT ON TABLE analytics.crm_erasure_records IS 'Records that a running erasure is about; its rows go when it ends.';
COMMENT ON COLUMN analytics.crm_erasure_records.organization_id IS 'Empty for any.';
COMMENT ON COLUMN analytics.crm_erasure_records.token IS 'What stands in the place of the id afterwards.';

CREATE TABLE analytics.crm_erasure_counts (
    erasure_id UUID NOT NULL REFERENCES analytics.crm_erasures,
    place TEXT NOT NULL,
    what VARCHAR(20) NOT NULL CHECK (what IN ('deleted', 'pseudonymized', 'unlinked', 'emptied', 'redacted')),
    rows BIGINT NOT NULL,
    PRIMARY KEY (erasure_id, place, what)
);
COMMENT ON TABLE analytics.crm_erasure_counts IS 'What an erasure did, counted in the statements that did it.';
COMMENT ON COLUMN analytics.crm_erasure_counts.place IS 'The partition or table.';
COMMENT ON COLUMN analytics.crm_erasure_counts.what IS
    'unlinked: the row stays, its link to an erased record is a token. emptied: a failed event without its message. redacted: a request that named the subject.';
