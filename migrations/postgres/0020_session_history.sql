-- Ended sessions, those first that ended first: the ones that are due to be forgotten.
CREATE INDEX sessions_ended ON sessions (ended_at) WHERE ended_at IS NOT NULL;
