-- When the tokens of a session that lives were issued. What an ended one had is nobody's question any more.

ALTER TABLE sessions ADD COLUMN tokens_issued_at INTEGER;
UPDATE sessions SET tokens_issued_at = (
    SELECT CAST(strftime('%s', substr(issued.at, 1, 19)) AS INTEGER) * 1000000
        + CAST(substr(rtrim(substr(issued.at, 21), 'Z') || '000000', 1, 6) AS INTEGER)
    FROM (
        SELECT json_extract(e.payload, '$.TokensIssued.at') AS at FROM events e
        WHERE e.aggregate_type = 'session' AND e.aggregate_id = sessions.session_id AND e.event_type = 'TokensIssued'
        ORDER BY e.sequence DESC LIMIT 1
    ) AS issued
) WHERE ended_at IS NULL;
