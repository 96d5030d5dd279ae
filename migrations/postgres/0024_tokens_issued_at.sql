-- When the tokens of a session that lives were issued. What an ended one had is nobody's question any more.

SET LOCAL statement_timeout = 0;
ALTER TABLE sessions ADD COLUMN tokens_issued_at BIGINT;
UPDATE sessions SET tokens_issued_at = (
    SELECT CAST(EXTRACT(EPOCH FROM CAST(e.payload -> 'TokensIssued' ->> 'at' AS TIMESTAMPTZ)) * 1000000 AS BIGINT)
    FROM events e
    WHERE e.aggregate_type = 'session' AND e.aggregate_id = sessions.session_id AND e.event_type = 'TokensIssued'
    ORDER BY e.sequence DESC LIMIT 1
) WHERE ended_at IS NULL;
