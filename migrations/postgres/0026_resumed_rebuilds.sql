-- What is made beside a read model, so that a rebuild that was killed goes on where it was: a digest of what fills the
-- tables and of what they are like, and when somebody last began to fill them.

ALTER TABLE tails ADD COLUMN fingerprint TEXT;
ALTER TABLE tails ADD COLUMN begun_at BIGINT;
