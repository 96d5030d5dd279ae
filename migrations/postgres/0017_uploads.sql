-- Resumable uploads, and what people have claimed of their quotas. State of what is under way: it cannot be derived from
-- the log. What a client says of its file stands here sealed under the person's own key. Times are microseconds since the
-- epoch, UTC.

CREATE TABLE uploads (
    upload_id        TEXT PRIMARY KEY,
    owner_id         TEXT NOT NULL,
    media_id         TEXT NOT NULL,
    command_id       TEXT NOT NULL,
    sealed_metadata  TEXT NOT NULL,
    bytes            BIGINT NOT NULL,
    received         BIGINT NOT NULL,
    parts            BIGINT NOT NULL,
    writer           TEXT NOT NULL,
    state            TEXT NOT NULL,
    finish_until     BIGINT NOT NULL,
    position         BIGINT,
    created_at       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL
);
CREATE INDEX uploads_by_owner ON uploads (owner_id, state);
CREATE INDEX uploads_by_expiry ON uploads (expires_at);

-- The pieces that have arrived: objects of the blob store, in the order of `start_at`.
CREATE TABLE upload_parts (
    part_id    TEXT PRIMARY KEY,
    upload_id  TEXT NOT NULL,
    start_at   BIGINT NOT NULL,
    bytes      BIGINT NOT NULL
);
CREATE INDEX upload_parts_by_upload ON upload_parts (upload_id, start_at);

-- What is to become media and is not in the read model yet.
CREATE TABLE media_claims (
    media_id    TEXT PRIMARY KEY,
    owner_id    TEXT NOT NULL,
    bytes       BIGINT NOT NULL,
    created_at  BIGINT NOT NULL
);
CREATE INDEX media_claims_by_owner ON media_claims (owner_id);
CREATE INDEX media_claims_by_age ON media_claims (created_at);
