-- An account's password is named by an identifier that its events carry: the hash of a new one is written before the
-- event that makes it count, beside the one that counts until then. The identifier of the first is the account's own.

ALTER TABLE vault_passwords ADD COLUMN password_id TEXT NOT NULL DEFAULT '';
UPDATE vault_passwords SET password_id = user_id;
ALTER TABLE vault_passwords ALTER COLUMN password_id DROP DEFAULT;
ALTER TABLE vault_passwords DROP CONSTRAINT vault_passwords_pkey;
ALTER TABLE vault_passwords ADD PRIMARY KEY (user_id, password_id);
ALTER TABLE vault_passwords ADD COLUMN pepper_id TEXT;
CREATE INDEX vault_passwords_by_pepper ON vault_passwords (pepper_id);

ALTER TABLE users ADD COLUMN password_id TEXT NOT NULL DEFAULT '';
UPDATE users SET password_id = user_id;
