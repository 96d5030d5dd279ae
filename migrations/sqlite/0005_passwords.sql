-- An account's password is named by an identifier that its events carry: the hash of a new one is written before the
-- event that makes it count, beside the one that counts until then. The identifier of the first is the account's own.

CREATE TABLE vault_passwords_by_id (
    user_id        TEXT NOT NULL,
    password_id    TEXT NOT NULL,
    sealed_phc     BLOB NOT NULL,
    pepper_id      TEXT,
    master_key_id  TEXT NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (user_id, password_id)
);
INSERT INTO vault_passwords_by_id (user_id, password_id, sealed_phc, master_key_id, updated_at)
    SELECT user_id, user_id, sealed_phc, master_key_id, updated_at FROM vault_passwords;
DROP TABLE vault_passwords;
ALTER TABLE vault_passwords_by_id RENAME TO vault_passwords;
CREATE INDEX vault_passwords_by_pepper ON vault_passwords (pepper_id);

ALTER TABLE users ADD COLUMN password_id TEXT NOT NULL DEFAULT '';
UPDATE users SET password_id = user_id;
