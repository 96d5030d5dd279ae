-- Refresh tokens that were used up, of sessions that have not ended: by them a reuse finds its session. A session
-- has a bounded number of slots, which its events fill in turn.

CREATE TABLE spent_refresh_tokens (
    slot        TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL,
    token_hash  TEXT NOT NULL
);
CREATE INDEX spent_refresh_tokens_by_hash ON spent_refresh_tokens (token_hash);
