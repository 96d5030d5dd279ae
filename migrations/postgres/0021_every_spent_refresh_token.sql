-- Every refresh token that was used up, by its hash, until its session ends. Formerly a session had a number of slots,
-- and what had stood in them was forgotten: so the rows are made anew, from what the log says of the sessions that live.

SET LOCAL statement_timeout = 0;
DROP TABLE spent_refresh_tokens;
CREATE TABLE spent_refresh_tokens (
    token_hash  TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL
);
INSERT INTO spent_refresh_tokens (token_hash, session_id)
    SELECT e.payload -> 'TokensIssued' ->> 'replaced_refresh', e.aggregate_id
    FROM sessions s JOIN events e ON e.aggregate_type = 'session' AND e.aggregate_id = s.session_id
    WHERE s.ended_at IS NULL AND e.event_type = 'TokensIssued'
        AND e.payload -> 'TokensIssued' ->> 'replaced_refresh' IS NOT NULL
    ON CONFLICT (token_hash) DO NOTHING;
CREATE INDEX spent_refresh_tokens_by_session ON spent_refresh_tokens (session_id);
