-- Service keys, by their hashes only; and what administrators look accounts up by: newest first, by role, by state.

CREATE TABLE service_keys (
    service_key_id  TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    scopes          TEXT NOT NULL,
    key_hash        TEXT NOT NULL,
    expires_at      BIGINT,
    created_by      TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    revoked_at      BIGINT
);
CREATE INDEX service_keys_by_hash ON service_keys (key_hash);
CREATE INDEX service_keys_newest ON service_keys (created_at, service_key_id);

CREATE INDEX users_newest ON users (created_at, user_id);
CREATE INDEX users_with_roles ON users (created_at, user_id) WHERE roles <> '';
CREATE INDEX users_disabled ON users (created_at, user_id) WHERE disabled = 1;
