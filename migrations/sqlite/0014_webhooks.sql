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
    rotated_at        INTEGER,
    parked_position   INTEGER,
    tries_since       INTEGER NOT NULL,
    created_by        TEXT NOT NULL,
    created_at        INTEGER NOT NULL
);

CREATE TABLE vault_webhook_secrets (
    secret_id        TEXT PRIMARY KEY,
    webhook_sink_id  TEXT NOT NULL,
    sealed_secret    BLOB NOT NULL,
    created_at       INTEGER NOT NULL
);

-- How far each sink has come, and which node sends to it.
CREATE TABLE webhook_deliveries (
    webhook_sink_id  TEXT PRIMARY KEY,
    sealed_url       BLOB NOT NULL,
    position         INTEGER NOT NULL,
    tried_up_to      INTEGER NOT NULL,
    attempts         INTEGER NOT NULL,
    failed_at        INTEGER NOT NULL,
    due_at           INTEGER NOT NULL,
    last_error       TEXT NOT NULL,
    lease_until      INTEGER NOT NULL,
    node_id          TEXT NOT NULL,
    created_at       INTEGER NOT NULL
);
