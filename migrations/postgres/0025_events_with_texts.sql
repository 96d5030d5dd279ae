-- The events of what belongs to a person and carries texts of theirs, for that person: a session and a file are found by
-- whose they are, also when no read model has them any more.

SET LOCAL statement_timeout = 0;
CREATE INDEX events_with_texts ON events (
    (COALESCE(payload -> 'SessionStarted' ->> 'user_id', payload -> 'MediaStored' ->> 'owner')),
    position
) WHERE event_type IN ('SessionStarted', 'MediaStored');
