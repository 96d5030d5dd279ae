-- When each second factor was last proved in a session: by signing in, or by proving it once more since. Sessions that were
-- signed in to and no more have the time of that; those that gave another proof have moved their auth_time.

SET LOCAL statement_timeout = 0;
ALTER TABLE sessions ADD COLUMN totp_proved_at BIGINT;
ALTER TABLE sessions ADD COLUMN recovery_code_proved_at BIGINT;
UPDATE sessions SET totp_proved_at = auth_time WHERE auth_time = created_at AND auth_methods LIKE '%totp%';
UPDATE sessions SET recovery_code_proved_at = auth_time WHERE auth_time = created_at AND auth_methods LIKE '%recovery_code%';
UPDATE sessions SET totp_proved_at = (
    SELECT CAST(EXTRACT(EPOCH FROM CAST(COALESCE(e.payload -> 'SessionReauthenticated' ->> 'at',
        e.payload -> 'SessionStarted' ->> 'auth_time') AS TIMESTAMPTZ)) * 1000000 AS BIGINT)
    FROM events e
    WHERE e.aggregate_type = 'session' AND e.aggregate_id = sessions.session_id
        AND (e.payload -> 'SessionReauthenticated' ->> 'auth_method' = 'totp'
            OR e.payload -> 'SessionStarted' ->> 'auth_methods' LIKE '%"totp"%')
    ORDER BY e.sequence DESC LIMIT 1
) WHERE auth_time <> created_at;
UPDATE sessions SET recovery_code_proved_at = (
    SELECT CAST(EXTRACT(EPOCH FROM CAST(COALESCE(e.payload -> 'SessionReauthenticated' ->> 'at',
        e.payload -> 'SessionStarted' ->> 'auth_time') AS TIMESTAMPTZ)) * 1000000 AS BIGINT)
    FROM events e
    WHERE e.aggregate_type = 'session' AND e.aggregate_id = sessions.session_id
        AND (e.payload -> 'SessionReauthenticated' ->> 'auth_method' = 'recovery_code'
            OR e.payload -> 'SessionStarted' ->> 'auth_methods' LIKE '%"recovery_code"%')
    ORDER BY e.sequence DESC LIMIT 1
) WHERE auth_time <> created_at;
-- The last proof of identity in each session, for the activity of its person.
CREATE INDEX IF NOT EXISTS sessions_by_user_and_proof ON sessions (user_id, auth_time) WHERE auth_time <> created_at;
