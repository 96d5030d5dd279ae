-- Mutable state that is deliberately not in the log: sealed secrets (the vault), coalesced activity,
-- leases and idempotency records. Nothing here can be derived from the log.

CREATE TABLE vault_person_keys (
    user_id        TEXT PRIMARY KEY,
    wrapped_key    BYTEA NOT NULL,
    master_key_id  TEXT NOT NULL,
    created_at     BIGINT NOT NULL
);

CREATE TABLE vault_passwords (
    user_id        TEXT PRIMARY KEY,
    sealed_phc     BYTEA NOT NULL,
    master_key_id  TEXT NOT NULL,
    updated_at     BIGINT NOT NULL
);

CREATE TABLE session_activity (
    session_id    TEXT PRIMARY KEY,
    last_seen_at  BIGINT NOT NULL
);

CREATE TABLE idempotency_records (
    record_id        TEXT PRIMARY KEY,
    request_mac      TEXT NOT NULL,
    state            TEXT NOT NULL,
    status           BIGINT NOT NULL,
    sealed_response  BYTEA,
    created_at       BIGINT NOT NULL
);
CREATE INDEX idempotency_records_by_age ON idempotency_records (created_at);

CREATE TABLE media_job_leases (
    job_id       TEXT PRIMARY KEY,
    node_id      TEXT NOT NULL,
    attempt      BIGINT NOT NULL,
    lease_until  BIGINT NOT NULL
);

CREATE TABLE nodes (
    node_id           TEXT PRIMARY KEY,
    applied_position  BIGINT NOT NULL,
    lease_until       BIGINT NOT NULL
);

CREATE TABLE vault_system_keys (
    name           TEXT PRIMARY KEY,
    wrapped_key    BYTEA NOT NULL,
    master_key_id  TEXT NOT NULL,
    created_at     BIGINT NOT NULL
);
