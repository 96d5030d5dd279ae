-- The read models. Every table can be rebuilt from the log. Personal text stands here sealed under the
-- person's own key, as in the events; times are microseconds since the epoch, UTC.

CREATE TABLE email_claims (
    claim_id   TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL,
    state      TEXT NOT NULL,
    since      INTEGER NOT NULL
);
CREATE INDEX email_claims_by_state ON email_claims (state, since);

CREATE TABLE users (
    user_id         TEXT PRIMARY KEY,
    email_claim_id  TEXT NOT NULL,
    email           TEXT NOT NULL,
    email_event_id  TEXT NOT NULL,
    name            TEXT,
    name_event_id   TEXT,
    roles           TEXT NOT NULL,
    disabled        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL
);

CREATE TABLE sessions (
    session_id          TEXT PRIMARY KEY,
    user_id             TEXT NOT NULL,
    access_token_hash   TEXT NOT NULL,
    access_expires_at   INTEGER NOT NULL,
    refresh_token_hash  TEXT NOT NULL,
    refresh_expires_at  INTEGER NOT NULL,
    start_event_id      TEXT NOT NULL,
    device_name         TEXT,
    user_agent          TEXT,
    ip                  TEXT,
    auth_methods        TEXT NOT NULL,
    auth_time           INTEGER NOT NULL,
    created_at          INTEGER NOT NULL,
    expires_at          INTEGER NOT NULL,
    ended_at            INTEGER,
    end_reason          TEXT
);
CREATE INDEX sessions_by_user ON sessions (user_id, session_id);
CREATE INDEX sessions_by_access_token ON sessions (access_token_hash);
CREATE INDEX sessions_by_refresh_token ON sessions (refresh_token_hash);
CREATE INDEX sessions_live ON sessions (expires_at) WHERE ended_at IS NULL;

CREATE TABLE media (
    media_id       TEXT PRIMARY KEY,
    owner_id       TEXT NOT NULL,
    name           TEXT NOT NULL,
    name_event_id  TEXT NOT NULL,
    bytes          INTEGER NOT NULL,
    sha256         TEXT NOT NULL,
    content_type   TEXT NOT NULL,
    object         TEXT NOT NULL,
    created_at     INTEGER NOT NULL
);
CREATE INDEX media_by_owner ON media (owner_id, media_id);

CREATE TABLE media_jobs (
    job_id          TEXT PRIMARY KEY,
    media_id        TEXT NOT NULL,
    owner_id        TEXT NOT NULL,
    preset          TEXT NOT NULL,
    preset_version  INTEGER NOT NULL,
    options         TEXT NOT NULL,
    input_sha256    TEXT NOT NULL,
    input_bytes     INTEGER NOT NULL,
    state           TEXT NOT NULL,
    attempt         INTEGER NOT NULL,
    not_before      INTEGER NOT NULL,
    deadline_at     INTEGER NOT NULL,
    error_code      TEXT,
    outputs         TEXT NOT NULL,
    result          TEXT,
    created_at      INTEGER NOT NULL,
    started_at      INTEGER,
    finished_at     INTEGER
);
CREATE INDEX media_jobs_by_owner ON media_jobs (owner_id, job_id);
CREATE INDEX media_jobs_by_media ON media_jobs (media_id);
CREATE INDEX media_jobs_open ON media_jobs (state, not_before);
