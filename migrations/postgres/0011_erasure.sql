-- When an account whose person asked for its erasure is to be erased.
ALTER TABLE users ADD COLUMN erase_at BIGINT;
CREATE INDEX users_by_erasure ON users (erase_at) WHERE erase_at IS NOT NULL;
