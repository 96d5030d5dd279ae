-- Failures of signing in. `subject` is a keyed hash of what is counted: an account, a network, both together, or a
-- session; `account` is the claim on the address, a keyed hash too, and empty for a network. Nothing is let in before
-- `charged_at + delay`. Times and durations are in microseconds.

CREATE TABLE sign_in_throttles (
    subject        TEXT PRIMARY KEY,
    account        TEXT NOT NULL,
    free_attempts  BIGINT NOT NULL,
    keeps_for      BIGINT NOT NULL,
    failures       BIGINT NOT NULL,
    delay          BIGINT NOT NULL,
    charged_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    known_until    BIGINT NOT NULL
);
CREATE INDEX sign_in_throttles_by_end ON sign_in_throttles (expires_at);
CREATE INDEX sign_in_throttles_by_account ON sign_in_throttles (account);

-- Failures of each account, or address without one, in its present window, for the summaries in the log.
CREATE TABLE sign_in_failures (
    email_claim_id  TEXT PRIMARY KEY,
    window_began    BIGINT NOT NULL,
    failures        BIGINT NOT NULL,
    is_announced    BIGINT NOT NULL
);
CREATE INDEX sign_in_failures_by_window ON sign_in_failures (window_began);

-- Calls of a network without a token in its present window.
CREATE TABLE anonymous_requests (
    subject       TEXT PRIMARY KEY,
    window_began  BIGINT NOT NULL,
    requests      BIGINT NOT NULL
);
CREATE INDEX anonymous_requests_by_window ON anonymous_requests (window_began);
