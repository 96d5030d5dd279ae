-- The second factor. Secrets are sealed and recovery codes are kept as keyed hashes; which of them count is told by the
-- account's events. `last_step` is the last time step that a code was accepted for, so that none is accepted twice.

CREATE TABLE vault_totp (
    user_id        TEXT NOT NULL,
    totp_id        TEXT NOT NULL,
    sealed_secret  BYTEA NOT NULL,
    master_key_id  TEXT NOT NULL,
    last_step      BIGINT NOT NULL,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (user_id, totp_id)
);

CREATE TABLE vault_recovery_codes (
    user_id     TEXT NOT NULL,
    codes_id    TEXT NOT NULL,
    number      BIGINT NOT NULL,
    code_mac    TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, codes_id, number)
);

-- Sign-ins whose password was right and whose second factor is due, by the hash of the challenge.
CREATE TABLE sign_in_challenges (
    challenge_hash      TEXT PRIMARY KEY,
    user_id             TEXT NOT NULL,
    password_id         TEXT NOT NULL,
    totp_id             TEXT NOT NULL,
    sealed_device_name  BYTEA,
    tries               BIGINT NOT NULL,
    created_at          BIGINT NOT NULL,
    expires_at          BIGINT NOT NULL
);
CREATE INDEX sign_in_challenges_by_user ON sign_in_challenges (user_id, created_at);
CREATE INDEX sign_in_challenges_by_end ON sign_in_challenges (expires_at);

-- Wrong codes of each account in its present window.
CREATE TABLE second_factor_failures (
    user_id       TEXT PRIMARY KEY,
    window_began  BIGINT NOT NULL,
    failures      BIGINT NOT NULL
);

ALTER TABLE users ADD COLUMN totp_id TEXT;
ALTER TABLE users ADD COLUMN totp_enabled_at BIGINT;
ALTER TABLE users ADD COLUMN recovery_codes_id TEXT;
ALTER TABLE users ADD COLUMN recovery_codes_left BIGINT NOT NULL DEFAULT 0;
