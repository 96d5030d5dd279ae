-- The append-only log. The columns from aggregate_type to metadata are those of the cqrs-es persistence
-- crates, so that they read it unchanged. payload and metadata keep their exact text.

CREATE TABLE events (
    position        BIGINT PRIMARY KEY,
    event_id        UUID NOT NULL UNIQUE,
    recorded_at     BIGINT NOT NULL,
    aggregate_type  TEXT NOT NULL,
    aggregate_id    TEXT NOT NULL,
    sequence        BIGINT NOT NULL,
    event_type      TEXT NOT NULL,
    event_version   TEXT NOT NULL,
    payload         JSON NOT NULL,
    metadata        JSON NOT NULL,
    leaf_hash       BYTEA NOT NULL,
    UNIQUE (aggregate_type, aggregate_id, sequence)
);

-- One row: the position of the last event, its time, and the Merkle tree's frontier and root.
CREATE TABLE log_head (
    singleton    BIGINT PRIMARY KEY CHECK (singleton = 1),
    position     BIGINT NOT NULL,
    recorded_at  BIGINT NOT NULL,
    frontier     BYTEA NOT NULL,
    root         BYTEA NOT NULL
);

-- Checkpoints of what follows the log.
CREATE TABLE tails (
    name      TEXT PRIMARY KEY,
    position  BIGINT NOT NULL
);

INSERT INTO log_head VALUES (1, 0, 0, '\x', '\xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');

CREATE FUNCTION events_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are append-only';
END
$$;
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();
