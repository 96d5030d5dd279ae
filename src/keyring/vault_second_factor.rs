//! The vault's secrets of second factors, and the hashes of recovery codes.
//!
//! An entry is written under an identifier of its own before the event that makes it count, so the events alone decide
//! which one counts, whatever dies when. Entries that no event made count are swept.

use aggregates::values::{RecoveryCodesId, TotpId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{DbError, Row};

use super::KeyringError;
use super::vault::{Vault, VaultError, place};
use crate::ports::clock::micros;
use crate::ports::totp::TotpSecret;

/// Secrets of one account that may wait for their confirmation at once.
const PENDING: i64 = 20;

impl Vault {
    /// Stores a secret that nothing depends on yet. False when too many of the account's wait that were stored after
    /// `waiting_since`.
    ///
    /// # Errors
    /// The database failed, or there is no randomness.
    pub async fn add_totp(
        &self,
        user: UserId,
        totp: TotpId,
        secret: &TotpSecret,
        now: DateTime<Utc>,
        waiting_since: DateTime<Utc>,
    ) -> Result<bool, VaultError> {
        const SQL: &str = "INSERT INTO vault_totp (user_id, totp_id, sealed_secret, master_key_id, last_step, created_at) \
                           SELECT $1, $2, $3, $4, 0, $5 \
                           WHERE (SELECT COUNT(*) FROM vault_totp WHERE user_id = $6 AND created_at > $7) < $8";
        let sealed = self
            .keyring
            .vault
            .seal(secret.bytes(), &totp_place(user, totp))?;
        let row = vec![
            user.to_string().into(),
            totp.to_string().into(),
            sealed.into(),
            self.keyring.wraps.current_id().into(),
            micros(now).into(),
            user.to_string().into(),
            micros(waiting_since).into(),
            PENDING.into(),
        ];
        let affected = self.database.execute(vec![(SQL.into(), row)]).await?;
        Ok(affected.first() == Some(&1))
    }

    /// The secret of a second factor.
    ///
    /// # Errors
    /// The database failed, or the entry does not open.
    pub async fn totp(&self, user: UserId, totp: TotpId) -> Result<Option<TotpSecret>, VaultError> {
        const SQL: &str =
            "SELECT sealed_secret FROM vault_totp WHERE user_id = $1 AND totp_id = $2";
        let key = [user.to_string().into(), totp.to_string().into()];
        let rows = self.database.query(SQL, &key).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        self.open_totp(user, totp, &row.bytes(0)?).map(Some)
    }

    /// The secret that was stored last, if that was after `since`.
    ///
    /// # Errors
    /// The database failed, or the entry does not open.
    pub async fn latest_totp(
        &self,
        user: UserId,
        since: DateTime<Utc>,
    ) -> Result<Option<(TotpId, TotpSecret)>, VaultError> {
        const SQL: &str = "SELECT totp_id, sealed_secret FROM vault_totp WHERE user_id = $1 AND created_at > $2 \
                           ORDER BY created_at DESC, totp_id DESC LIMIT 1";
        let key = [user.to_string().into(), micros(since).into()];
        let rows = self.database.query(SQL, &key).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let totp = row.text(0)?.parse().map_err(bad_id)?;
        let secret = self.open_totp(user, totp, &row.bytes(1)?)?;
        Ok(Some((totp, secret)))
    }

    fn open_totp(
        &self,
        user: UserId,
        totp: TotpId,
        sealed: &[u8],
    ) -> Result<TotpSecret, VaultError> {
        let place = totp_place(user, totp);
        let bytes = self.keyring.vault.open(sealed, &place)?;
        TotpSecret::from_bytes(&bytes).ok_or_else(|| KeyringError::DoesNotOpen.into())
    }

    /// Takes a time step, once: false when it or a later one was taken before, by whichever node.
    ///
    /// # Errors
    /// The database failed.
    pub async fn take_step(
        &self,
        user: UserId,
        totp: TotpId,
        step: i64,
    ) -> Result<bool, VaultError> {
        const SQL: &str = "UPDATE vault_totp SET last_step = $1 \
                           WHERE user_id = $2 AND totp_id = $3 AND last_step < $4";
        let row = vec![
            step.into(),
            user.to_string().into(),
            totp.to_string().into(),
            step.into(),
        ];
        let affected = self.database.execute(vec![(SQL.into(), row)]).await?;
        Ok(affected.first() == Some(&1))
    }

    /// Removes a secret; again: nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_totp(&self, user: UserId, totp: TotpId) -> Result<(), VaultError> {
        const SQL: &str = "DELETE FROM vault_totp WHERE user_id = $1 AND totp_id = $2";
        let key = vec![user.to_string().into(), totp.to_string().into()];
        self.database.execute(vec![(SQL.into(), key)]).await?;
        Ok(())
    }

    /// Stores the hashes of a set of recovery codes, in their order.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_recovery_codes(
        &self,
        user: UserId,
        set: RecoveryCodesId,
        codes: &[impl AsRef<str>],
        now: DateTime<Utc>,
    ) -> Result<(), VaultError> {
        const SQL: &str = "INSERT INTO vault_recovery_codes (user_id, codes_id, number, code_mac, created_at) \
                           VALUES ($1, $2, $3, $4, $5)";
        let statements = (0_i64..).zip(codes).map(|(number, code)| {
            let row = vec![
                user.to_string().into(),
                set.to_string().into(),
                number.into(),
                self.code_mac(user, set, code.as_ref()).into(),
                micros(now).into(),
            ];
            (SQL.to_owned(), row)
        });
        self.database.execute(statements.collect()).await?;
        Ok(())
    }

    /// Which code of the set it is. Whether it was used is for the account to say.
    ///
    /// # Errors
    /// The database failed.
    pub async fn recovery_code(
        &self,
        user: UserId,
        set: RecoveryCodesId,
        code: &str,
    ) -> Result<Option<u8>, VaultError> {
        const SQL: &str = "SELECT number FROM vault_recovery_codes \
                           WHERE user_id = $1 AND codes_id = $2 AND code_mac = $3";
        let key = [
            user.to_string().into(),
            set.to_string().into(),
            self.code_mac(user, set, code).into(),
        ];
        let rows = self.database.query(SQL, &key).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let number =
            u8::try_from(row.int(0)?).map_err(|_| DbError::decode("a number of a code"))?;
        Ok(Some(number))
    }

    /// Removes a set of recovery codes; again: nothing.
    ///
    /// # Errors
    /// The database failed.
    pub async fn remove_recovery_codes(
        &self,
        user: UserId,
        set: RecoveryCodesId,
    ) -> Result<(), VaultError> {
        const SQL: &str = "DELETE FROM vault_recovery_codes WHERE user_id = $1 AND codes_id = $2";
        let key = vec![user.to_string().into(), set.to_string().into()];
        self.database.execute(vec![(SQL.into(), key)]).await?;
        Ok(())
    }

    /// Secrets from before `before` that the read model does not know to count, after `after` by account and identifier.
    ///
    /// # Errors
    /// The database failed.
    pub async fn surplus_totps(
        &self,
        before: DateTime<Utc>,
        after: (UserId, TotpId),
        limit: i64,
    ) -> Result<Vec<(UserId, TotpId)>, VaultError> {
        const SQL: &str = "SELECT user_id, totp_id FROM vault_totp v WHERE created_at < $1 \
                           AND (user_id > $2 OR (user_id = $3 AND totp_id > $4)) \
                           AND NOT EXISTS (SELECT 1 FROM users u \
                           WHERE u.user_id = v.user_id AND u.totp_id = v.totp_id) ORDER BY user_id, totp_id LIMIT $5";
        let (user, totp) = (after.0.to_string(), after.1.to_string());
        let key = [
            micros(before).into(),
            user.as_str().into(),
            user.as_str().into(),
            totp.into(),
            limit.into(),
        ];
        let rows = self.database.query(SQL, &key).await?;
        let ids = |row: &Row| Ok((typed(row, 0)?, typed(row, 1)?));
        let ids: Result<_, DbError> = rows.iter().map(ids).collect();
        Ok(ids?)
    }

    /// Sets of recovery codes from before `before`, likewise.
    ///
    /// # Errors
    /// The database failed.
    pub async fn surplus_recovery_codes(
        &self,
        before: DateTime<Utc>,
        after: (UserId, RecoveryCodesId),
        limit: i64,
    ) -> Result<Vec<(UserId, RecoveryCodesId)>, VaultError> {
        const SQL: &str = "SELECT DISTINCT user_id, codes_id FROM vault_recovery_codes v WHERE created_at < $1 \
                           AND (user_id > $2 OR (user_id = $3 AND codes_id > $4)) \
                           AND NOT EXISTS (SELECT 1 FROM users u \
                           WHERE u.user_id = v.user_id AND u.recovery_codes_id = v.codes_id) \
                           ORDER BY user_id, codes_id LIMIT $5";
        let (user, set) = (after.0.to_string(), after.1.to_string());
        let key = [
            micros(before).into(),
            user.as_str().into(),
            user.as_str().into(),
            set.into(),
            limit.into(),
        ];
        let rows = self.database.query(SQL, &key).await?;
        let ids = |row: &Row| Ok((typed(row, 0)?, typed(row, 1)?));
        let ids: Result<_, DbError> = rows.iter().map(ids).collect();
        Ok(ids?)
    }

    fn code_mac(&self, user: UserId, set: RecoveryCodesId, code: &str) -> String {
        self.keyring.recovery_code_mac(&[
            user.to_string().as_bytes(),
            set.to_string().as_bytes(),
            code.as_bytes(),
        ])
    }
}

fn totp_place(user: UserId, totp: TotpId) -> Vec<u8> {
    place("totp", &format!("{user}/{totp}"))
}

fn typed<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, DbError> {
    row.text(column)?.parse().map_err(bad_id)
}

fn bad_id<E>(_: E) -> DbError {
    DbError::decode("an identifier that is none")
}
