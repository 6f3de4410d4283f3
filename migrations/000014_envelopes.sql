-- Messages and corrections of failed events hold personal data. Where keys are configured they are sealed with
-- AES-256-GCM by a data key, which is kept here wrapped by a key that the database never sees.

CREATE TABLE analytics.crm_data_keys (
    data_key_id UUID PRIMARY KEY,
    key_id VARCHAR(100) COLLATE "C" NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    wrapped_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE analytics.crm_data_keys IS
    'Each process that seals makes one an hour. Of no use without the key that wraps it.';
COMMENT ON COLUMN analytics.crm_data_keys.key_id IS 'The key of DATA_KEYS that wraps it.';
COMMENT ON COLUMN analytics.crm_data_keys.wrapped_at IS 'Later than created_at where npm run keys:rotate wrapped it again.';

ALTER TABLE analytics.crm_failed_events ADD COLUMN sealed_by UUID;
COMMENT ON COLUMN analytics.crm_failed_events.sealed_by IS
    'The data key of value, which then holds key, value and headers together, sealed; NULL: they are as they came.';
COMMENT ON COLUMN analytics.crm_failed_events.value IS
    'The message as it came, byte for byte; with sealed_by, all of the message sealed.';
COMMENT ON COLUMN analytics.crm_failed_events.correction IS
    'The event as a person corrected it, taken instead of the message; a JSON string is a sealed one in base64.';
