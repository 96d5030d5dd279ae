-- When each second factor was last proved in a session: by signing in, or by proving it once more since. Sessions that were
-- signed in to and no more have the time of that; those that gave another proof have moved their auth_time.

ALTER TABLE sessions ADD COLUMN totp_proved_at INTEGER;
ALTER TABLE sessions ADD COLUMN recovery_code_proved_at INTEGER;
UPDATE sessions SET totp_proved_at = auth_time WHERE auth_time = created_at AND auth_methods LIKE '%totp%';
UPDATE sessions SET recovery_code_proved_at = auth_time WHERE auth_time = created_at AND auth_methods LIKE '%recovery_code%';
UPDATE sessions SET totp_proved_at = (
    SELECT CAST(strftime('%s', substr(proved.at, 1, 19)) AS INTEGER) * 1000000
        + CAST(substr(rtrim(substr(proved.at, 21), 'Z') || '000000', 1, 6) AS INTEGER)
    FROM (
        SELECT COALESCE(json_extract(e.payload, '$.SessionReauthenticated.at'),
            json_extract(e.payload, '$.SessionStarted.auth_time')) AS at FROM events e
        WHERE e.aggregate_type = 'session' AND e.aggregate_id = sessions.session_id
            AND (json_extract(e.payload, '$.SessionReauthenticated.auth_method') = 'totp'
                OR json_extract(e.payload, '$.SessionStarted.auth_methods') LIKE '%"totp"%')
        ORDER BY e.sequence DESC LIMIT 1
    ) AS proved
) WHERE auth_time <> created_at;
UPDATE sessions SET recovery_code_proved_at = (
    SELECT CAST(strftime('%s', substr(proved.at, 1, 19)) AS INTEGER) * 1000000
        + CAST(substr(rtrim(substr(proved.at, 21), 'Z') || '000000', 1, 6) AS INTEGER)
    FROM (
        SELECT COALESCE(json_extract(e.payload, '$.SessionReauthenticated.at'),
            json_extract(e.payload, '$.SessionStarted.auth_time')) AS at FROM events e
        WHERE e.aggregate_type = 'session' AND e.aggregate_id = sessions.session_id
            AND (json_extract(e.payload, '$.SessionReauthenticated.auth_method') = 'recovery_code'
                OR json_extract(e.payload, '$.SessionStarted.auth_methods') LIKE '%"recovery_code"%')
        ORDER BY e.sequence DESC LIMIT 1
    ) AS proved
) WHERE auth_time <> created_at;
-- The last proof of identity in each session, for the activity of its person.
CREATE INDEX IF NOT EXISTS sessions_by_user_and_proof ON sessions (user_id, auth_time) WHERE auth_time <> created_at;
