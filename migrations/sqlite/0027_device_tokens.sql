-- A device that signed in before shows a token of that, so that no network need be known any more. Rows that were kept
-- for it alone go, the others are kept as long as their failures.

DELETE FROM sign_in_throttles WHERE known_until > 0 AND failures = 0;
UPDATE sign_in_throttles SET expires_at = charged_at + keeps_for WHERE known_until > 0;
ALTER TABLE sign_in_throttles DROP COLUMN known_until;
