-- API keys: what machines show instead of a token. The keys themselves are nowhere, only their hashes.

CREATE TABLE analytics.crm_api_keys (
    key_id UUID PRIMARY KEY,
    name VARCHAR(100) NOT NULL CHECK (name <> ''),
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    grants TEXT[] NOT NULL CHECK (cardinality(grants) BETWEEN 1 AND 50),
    organizations TEXT[] CHECK (cardinality(organizations) BETWEEN 1 AND 100),
    created_by VARCHAR(255) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    revoked_by VARCHAR(255),
    revoked_at TIMESTAMP WITH TIME ZONE,
    last_used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT crm_api_keys_end CHECK (expires_at > created_at AND expires_at <= created_at + INTERVAL '8784 hours'),
    CONSTRAINT crm_api_keys_revoked CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
COMMENT ON TABLE analytics.crm_api_keys IS 'Keys of machines; rows stay after the end of a key, so that what it did can be told.';
COMMENT ON COLUMN analytics.crm_api_keys.hash IS 'SHA-256 of the whole key, which holds 256 random bits: nothing that could be guessed.';
COMMENT ON COLUMN analytics.crm_api_keys.grants IS 'Names of roles and of single permissions.';
COMMENT ON COLUMN analytics.crm_api_keys.organizations IS 'Whose rows it may touch; NULL for the whole installation.';
COMMENT ON COLUMN analytics.crm_api_keys.expires_at IS 'At most 366 days after it was made.';
COMMENT ON COLUMN analytics.crm_api_keys.last_used_at IS 'To the minute.';
CREATE INDEX crm_api_keys__created ON analytics.crm_api_keys (created_at DESC);
