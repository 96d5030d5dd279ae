-- The append-only log. The columns from aggregate_type to metadata are those of the cqrs-es persistence
-- crates, so that they read it unchanged. payload and metadata keep their exact text.

CREATE TABLE events (
    position        INTEGER PRIMARY KEY,
    event_id        TEXT NOT NULL UNIQUE,
    recorded_at     INTEGER NOT NULL,
    aggregate_type  TEXT NOT NULL,
    aggregate_id    TEXT NOT NULL,
    sequence        INTEGER NOT NULL,
    event_type      TEXT NOT NULL,
    event_version   TEXT NOT NULL,
    payload         TEXT NOT NULL,
    metadata        TEXT NOT NULL,
    leaf_hash       BLOB NOT NULL,
    UNIQUE (aggregate_type, aggregate_id, sequence)
);

-- One row: the position of the last event, its time, and the Merkle tree's frontier and root.
CREATE TABLE log_head (
    singleton    INTEGER PRIMARY KEY CHECK (singleton = 1),
    position     INTEGER NOT NULL,
    recorded_at  INTEGER NOT NULL,
    frontier     BLOB NOT NULL,
    root         BLOB NOT NULL
);

-- Checkpoints of what follows the log.
CREATE TABLE tails (
    name      TEXT PRIMARY KEY,
    position  INTEGER NOT NULL
);

INSERT INTO log_head VALUES (1, 0, 0, x'', x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

CREATE TRIGGER events_are_not_updated BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
