-- Sessions end with the last of their tokens, which is never after their absolute end.

DROP INDEX sessions_live;
CREATE INDEX sessions_live ON sessions (refresh_expires_at) WHERE ended_at IS NULL;
