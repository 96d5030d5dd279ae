-- What holds a tail: an operator who paused it, or an event that it cannot take. And snapshots: what loading a long
-- stream would give, so that it need not be read from its beginning. A snapshot may be deleted at any time.

ALTER TABLE tails ADD COLUMN paused_at BIGINT;
ALTER TABLE tails ADD COLUMN parked_at BIGINT;
ALTER TABLE tails ADD COLUMN failed_position BIGINT;
ALTER TABLE tails ADD COLUMN failed_event_id TEXT;
ALTER TABLE tails ADD COLUMN failed_reason TEXT;
ALTER TABLE tails ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;

CREATE TABLE snapshots (
    aggregate_type  TEXT NOT NULL,
    aggregate_id    TEXT NOT NULL,
    schema_hash     TEXT NOT NULL,
    version         BIGINT NOT NULL,
    state           TEXT NOT NULL,
    digest          TEXT NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id, schema_hash)
);
