-- Failures of signing in. `subject` is a keyed hash of what is counted: an account, a network, both together, or a
-- session; `account` is the claim on the address, a keyed hash too, and empty for a network. Nothing is let in before
-- `charged_at + delay`. Times and durations are in microseconds.

CREATE TABLE sign_in_throttles (
    subject        TEXT PRIMARY KEY,
    account        TEXT NOT NULL,
    free_attempts  INTEGER NOT NULL,
    keeps_for      INTEGER NOT NULL,
    failures       INTEGER NOT NULL,
    delay          INTEGER NOT NULL,
    charged_at     INTEGER NOT NULL,
    expires_at     INTEGER NOT NULL,
    known_until    INTEGER NOT NULL
);
CREATE INDEX sign_in_throttles_by_end ON sign_in_throttles (expires_at);
CREATE INDEX sign_in_throttles_by_account ON sign_in_throttles (account);

-- Failures of each account, or address without one, in its present window, for the summaries in the log.
CREATE TABLE sign_in_failures (
    email_claim_id  TEXT PRIMARY KEY,
    window_began    INTEGER NOT NULL,
    failures        INTEGER NOT NULL,
    is_announced    INTEGER NOT NULL
);
CREATE INDEX sign_in_failures_by_window ON sign_in_failures (window_began);

-- Calls of a network without a token in its present window.
CREATE TABLE anonymous_requests (
    subject       TEXT PRIMARY KEY,
    window_began  INTEGER NOT NULL,
    requests      INTEGER NOT NULL
);
CREATE INDEX anonymous_requests_by_window ON anonymous_requests (window_began);
