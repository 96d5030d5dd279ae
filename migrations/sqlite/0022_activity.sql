-- What happened to an account is read from the newest on, a page at a time: its own events, and the beginnings and ends of
-- its sessions, each in the order of time.

CREATE INDEX events_of_users ON events (aggregate_id, recorded_at) WHERE aggregate_type = 'user';
CREATE INDEX sessions_by_user_and_begin ON sessions (user_id, created_at);
CREATE INDEX sessions_by_user_and_end ON sessions (user_id, ended_at) WHERE ended_at IS NOT NULL;
