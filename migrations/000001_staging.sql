-- The tables analysts read. Columns are those of the contract; keys differ where PostgreSQL demands it: a primary key
-- or unique constraint of a partitioned table must hold the partition key, so that one event id is one row *globally*
-- is the ledger's work (000002), and (event_id, event_timestamp) here is its safety net.
-- Ids are made by the writer, so no extension is needed. Ids collate "C": they are compared, never sorted for people.

CREATE SCHEMA IF NOT EXISTS analytics;

CREATE TABLE analytics.crm_leads_staging (
    id UUID NOT NULL,
    event_id VARCHAR(255) COLLATE "C" NOT NULL,
    lead_id VARCHAR(255) COLLATE "C" NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    email VARCHAR(255),
    phone VARCHAR(100),
    company VARCHAR(255),
    title VARCHAR(255),
    source VARCHAR(100),
    status VARCHAR(50),
    score INTEGER,
    assigned_to VARCHAR(255),
    created_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE,
    organization_id VARCHAR(100) COLLATE "C" NOT NULL,
    event_timestamp TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    event_type VARCHAR(50) NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    metadata JSONB,
    ingestion_id UUID NOT NULL,
    PRIMARY KEY (event_id, event_timestamp)
) PARTITION BY RANGE (event_timestamp);

CREATE TABLE analytics.crm_contacts_staging (
    id UUID NOT NULL,
    event_id VARCHAR(255) COLLATE "C" NOT NULL,
    contact_id VARCHAR(255) COLLATE "C" NOT NULL,
    first_name VARCHAR(255),
    last_name VARCHAR(255),
    email VARCHAR(255),
    phone VARCHAR(100),
    company VARCHAR(255),
    title VARCHAR(255),
    lead_id VARCHAR(255) COLLATE "C",
    created_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE,
    organization_id VARCHAR(100) COLLATE "C" NOT NULL,
    event_timestamp TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    event_type VARCHAR(50) NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    metadata JSONB,
    ingestion_id UUID NOT NULL,
    PRIMARY KEY (event_id, event_timestamp)
) PARTITION BY RANGE (event_timestamp);

CREATE TABLE analytics.crm_opportunities_staging (
    id UUID NOT NULL,
    event_id VARCHAR(255) COLLATE "C" NOT NULL,
    opportunity_id VARCHAR(255) COLLATE "C" NOT NULL,
    name VARCHAR(500) NOT NULL,
    lead_id VARCHAR(255) COLLATE "C",
    contact_id VARCHAR(255) COLLATE "C",
    amount DECIMAL(15, 2),
    currency VARCHAR(3) DEFAULT 'USD',
    stage VARCHAR(100),
    probability INTEGER,
    expected_close_date DATE,
    created_at TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE,
    organization_id VARCHAR(100) COLLATE "C" NOT NULL,
    event_timestamp TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    event_type VARCHAR(50) NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    metadata JSONB,
    ingestion_id UUID NOT NULL,
    PRIMARY KEY (event_id, event_timestamp)
) PARTITION BY RANGE (event_timestamp);

-- One row per *delivery*: an event that is sent again has a second row with status 'skipped'. What an unreadable
-- message can't tell is NULL. event_timestamp is the event's own time when it is valid, else the broker's record time,
-- so that reading a message again finds the same row.
CREATE TABLE analytics.crm_events_log (
    id UUID NOT NULL,
    event_id VARCHAR(255) COLLATE "C",
    event_type VARCHAR(50),
    topic VARCHAR(249) COLLATE "C" NOT NULL,
    partition INTEGER NOT NULL,
    "offset" BIGINT NOT NULL,
    organization_id VARCHAR(100) COLLATE "C",
    event_timestamp TIMESTAMP WITH TIME ZONE NOT NULL,
    processed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    processing_status VARCHAR(20) NOT NULL DEFAULT 'processed'
        CHECK (processing_status IN ('processed', 'skipped', 'filtered', 'failed', 'dead', 'discarded')),
    error_message TEXT,
    retry_count INTEGER NOT NULL DEFAULT 0,
    ingestion_id UUID NOT NULL,
    metadata JSONB,
    topic_incarnation INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (topic, partition, "offset", event_timestamp, topic_incarnation)
) PARTITION BY RANGE (event_timestamp);

COMMENT ON COLUMN analytics.crm_events_log.topic_incarnation IS
    'Grows when a topic is deleted and made again under its name, since its offsets start over.';
COMMENT ON COLUMN analytics.crm_events_log.metadata IS
    'Why a delivery was skipped: {"reason": "duplicate"} or {"reason": "conflict"} (same id, other content).';

-- The questions analysts ask: the events of one entity, and those of one organization in a span of time.
CREATE INDEX crm_leads_staging__lead_time ON analytics.crm_leads_staging (lead_id, event_timestamp);
CREATE INDEX crm_leads_staging__organization_time ON analytics.crm_leads_staging (organization_id, event_timestamp);
CREATE INDEX crm_contacts_staging__contact_time ON analytics.crm_contacts_staging (contact_id, event_timestamp);
CREATE INDEX crm_contacts_staging__organization_time ON analytics.crm_contacts_staging (organization_id, event_timestamp);
CREATE INDEX crm_opportunities_staging__opportunity_time
    ON analytics.crm_opportunities_staging (opportunity_id, event_timestamp);
CREATE INDEX crm_opportunities_staging__organization_time
    ON analytics.crm_opportunities_staging (organization_id, event_timestamp);
-- What went wrong; almost every row is 'processed' and stays out of it.
CREATE INDEX crm_events_log__trouble ON analytics.crm_events_log (processing_status, event_timestamp)
    WHERE processing_status <> 'processed';

-- A safety net that stays empty: the writer makes a missing partition before it writes, and events outside the window
-- for late data become failed events. Rows in here are an incident.
CREATE TABLE analytics.crm_leads_staging_default PARTITION OF analytics.crm_leads_staging DEFAULT;
CREATE TABLE analytics.crm_contacts_staging_default PARTITION OF analytics.crm_contacts_staging DEFAULT;
CREATE TABLE analytics.crm_opportunities_staging_default PARTITION OF analytics.crm_opportunities_staging DEFAULT;
CREATE TABLE analytics.crm_events_log_default PARTITION OF analytics.crm_events_log DEFAULT;
-- Deliveries for which neither the event nor the broker gives a plausible time are logged at 1970-01-01.
CREATE TABLE analytics.crm_events_log_undated PARTITION OF analytics.crm_events_log
    FOR VALUES FROM (MINVALUE) TO ('2000-01-01 00:00:00+00');
