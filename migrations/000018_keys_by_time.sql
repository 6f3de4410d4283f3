-- Rows of a staging table are keyed by time first. Events come about in the order of their times, so a new row goes to the
-- end of the key's index, where by its id it went to a page that nobody had looked at for long. An id is looked up in the
-- ledger, which knows the time; it also keeps ids unique over all times, as before.
-- Builds the index of every partition anew, under a lock that readers and writers wait for.

ALTER TABLE analytics.crm_leads_staging
    DROP CONSTRAINT crm_leads_staging_pkey,
    ADD CONSTRAINT crm_leads_staging_pkey PRIMARY KEY (event_timestamp, event_id);
ALTER TABLE analytics.crm_contacts_staging
    DROP CONSTRAINT crm_contacts_staging_pkey,
    ADD CONSTRAINT crm_contacts_staging_pkey PRIMARY KEY (event_timestamp, event_id);
ALTER TABLE analytics.crm_opportunities_staging
    DROP CONSTRAINT crm_opportunities_staging_pkey,
    ADD CONSTRAINT crm_opportunities_staging_pkey PRIMARY KEY (event_timestamp, event_id);
