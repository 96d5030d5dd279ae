-- Webhook sinks. The first table is a read model; the others are state of the sending and cannot be derived from the log.
-- Secrets and whole addresses stand here sealed under the master key. Times are microseconds since the epoch, UTC.

CREATE TABLE webhook_sinks (
    webhook_sink_id   TEXT PRIMARY KEY,
    name              TEXT NOT NULL,
    origin            TEXT NOT NULL,
    event_types       TEXT NOT NULL,
    format            TEXT NOT NULL,
    state             TEXT NOT NULL,
    secret_id         TEXT NOT NULL,
    rotated_at        BIGINT,
    parked_position   BIGINT,
    tries_since       BIGINT NOT NULL,
    created_by        TEXT NOT NULL,
    created_at        BIGINT NOT NULL
);

CREATE TABLE vault_webhook_secrets (
    secret_id        TEXT PRIMARY KEY,
    webhook_sink_id  TEXT NOT NULL,
    sealed_secret    BYTEA NOT NULL,
    created_at       BIGINT NOT NULL
);

-- How far each sink has come, and which node sends to it.
CREATE TABLE webhook_deliveries (
    webhook_sink_id  TEXT PRIMARY KEY,
    sealed_url       BYTEA NOT NULL,
    position         BIGINT NOT NULL,
    tried_up_to      BIGINT NOT NULL,
    attempts         BIGINT NOT NULL,
    failed_at        BIGINT NOT NULL,
    due_at           BIGINT NOT NULL,
    last_error       TEXT NOT NULL,
    lease_until      BIGINT NOT NULL,
    node_id          TEXT NOT NULL,
    created_at       BIGINT NOT NULL
);
