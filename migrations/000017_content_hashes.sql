-- From here on the ledger has hashes of another kind: faster ones, which releases up to 0.4.0 don't know. Rows keep what
-- they have.

COMMENT ON COLUMN analytics.crm_event_ledger.content_hash IS
    'Tells a re-sent event (same hash) from another event under the same id (conflict). 53 bits of a fast hash, never negative; releases up to 0.4.0 wrote 64 bits of a SHA-256, and either counts.';
