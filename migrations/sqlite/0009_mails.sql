-- Mails and what hangs on them. Letters, addresses and hashes of passwords that wait stand here sealed under the master
-- key; of a token only its SHA-256. Times are microseconds since the epoch, UTC.

-- A mail by what caused it, so that each is written once. Once it was sent, or given up, the letter goes.
CREATE TABLE outbox (
    mail_id        TEXT PRIMARY KEY,
    user_id        TEXT,
    state          TEXT NOT NULL,
    sealed_letter  BLOB,
    master_key_id  TEXT NOT NULL,
    attempts       INTEGER NOT NULL,
    due_at         INTEGER NOT NULL,
    lease_until    INTEGER NOT NULL,
    node_id        TEXT NOT NULL,
    created_at     INTEGER NOT NULL
);
CREATE INDEX outbox_due ON outbox (state, due_at);
CREATE INDEX outbox_by_age ON outbox (created_at);
CREATE INDEX outbox_by_user ON outbox (user_id);

-- What the links of mails are good for.
CREATE TABLE mail_tokens (
    token_hash      TEXT PRIMARY KEY,
    purpose         TEXT NOT NULL,
    user_id         TEXT NOT NULL,
    email_claim_id  TEXT NOT NULL,
    password_id     TEXT,
    requested_at    INTEGER,
    expires_at      INTEGER NOT NULL
);
CREATE INDEX mail_tokens_by_user ON mail_tokens (user_id, purpose);
CREATE INDEX mail_tokens_by_end ON mail_tokens (expires_at);

-- What strangers asked for; done out of the request, so that its time tells nothing.
CREATE TABLE mail_requests (
    request_id      TEXT PRIMARY KEY,
    kind            TEXT NOT NULL,
    sealed_request  BLOB NOT NULL,
    master_key_id   TEXT NOT NULL,
    lease_until     INTEGER NOT NULL,
    created_at      INTEGER NOT NULL
);
CREATE INDEX mail_requests_by_age ON mail_requests (created_at);

-- Registrations that wait until their address is confirmed.
CREATE TABLE pending_registrations (
    token_hash           TEXT PRIMARY KEY,
    sealed_registration  BLOB NOT NULL,
    master_key_id        TEXT NOT NULL,
    lease_until          INTEGER NOT NULL,
    expires_at           INTEGER NOT NULL
);
CREATE INDEX pending_registrations_by_end ON pending_registrations (expires_at);

-- How much was mailed, or asked for, in the present window.
CREATE TABLE mail_budgets (
    budget_key    TEXT PRIMARY KEY,
    window_began  INTEGER NOT NULL,
    used          INTEGER NOT NULL
);
CREATE INDEX mail_budgets_by_age ON mail_budgets (window_began);

-- From where each person signed in, as keyed hashes.
CREATE TABLE seen_devices (
    user_id      TEXT NOT NULL,
    fingerprint  TEXT NOT NULL,
    seen_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, fingerprint)
);

ALTER TABLE users ADD COLUMN email_verified INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN pending_email TEXT;
ALTER TABLE users ADD COLUMN pending_email_event_id TEXT;
ALTER TABLE users ADD COLUMN pending_email_claim_id TEXT;
ALTER TABLE users ADD COLUMN pending_email_at INTEGER;
CREATE INDEX users_with_pending_email ON users (pending_email_at) WHERE pending_email_at IS NOT NULL;
