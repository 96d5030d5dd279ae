//! Passwords: Argon2id on a bounded pool, so that sign-ins never starve other requests.
//!
//! Hashes leave this module only as PHC strings for the vault. That a password was right is a
//! [`VerifiedPassword`], which only this module can make. It never logs and never compares in the clear.

use std::sync::Arc;

use aggregates::values::UserId;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::ids;

/// OWASP Password Storage Cheat Sheet: Argon2id with m = 19 MiB, t = 2, p = 1.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Hashes that may wait for each one that runs; at about 30 ms a hash that is about two seconds.
const WAITING_PER_THREAD: usize = 64;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many hashes wait already: try again soon.
    #[error("too many passwords are being checked")]
    Busy,
    /// A fault of ours.
    #[error("password hashing failed: {0}")]
    Fault(&'static str),
}

/// Proof that this account's password was just verified.
#[derive(Debug)]
pub struct VerifiedPassword {
    user_id: UserId,
}

impl VerifiedPassword {
    /// Whose password it was.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }
}

/// The hashing pool.
#[derive(Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    decoy: Arc<str>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Passwords")
            .field("free", &self.running.available_permits())
            .finish_non_exhaustive()
    }
}

impl Passwords {
    /// A pool that runs at most `threads` hashes at once.
    ///
    /// # Errors
    /// The decoy hash, against which unknown accounts are checked, cannot be made.
    pub fn new(threads: usize) -> Result<Self, PasswordError> {
        let decoy = hash_now("a password that nobody has")?;
        Ok(Self {
            running: Arc::new(Semaphore::new(threads)),
            admitted: Arc::new(Semaphore::new(threads * (1 + WAITING_PER_THREAD))),
            decoy: decoy.as_str().into(),
        })
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn hash(
        &self,
        password: Zeroizing<String>,
    ) -> Result<Zeroizing<String>, PasswordError> {
        self.run(move || hash_now(&password)).await?
    }

    /// Whether `password` belongs to the account; an unknown account costs the same time.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn verify(
        &self,
        password: Zeroizing<String>,
        account: Option<(UserId, Zeroizing<String>)>,
    ) -> Result<Option<VerifiedPassword>, PasswordError> {
        let decoy = Arc::clone(&self.decoy);
        self.run(move || {
            let (user_id, phc) = match &account {
                Some((user_id, phc)) => (Some(*user_id), phc.as_str()),
                None => (None, &*decoy),
            };
            let is_right = verify_now(&password, phc)?;
            Ok(user_id
                .filter(|_| is_right)
                .map(|user_id| VerifiedPassword { user_id }))
        })
        .await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy)?;
        let closed = |_| PasswordError::Fault("the pool is closed");
        let running = Arc::clone(&self.running)
            .acquire_owned()
            .await
            .map_err(closed)?;
        let task = tokio::task::spawn_blocking(move || {
            // The permits live as long as the work, also when the client has gone.
            let _permits = (admitted, running);
            work()
        });
        task.await
            .map_err(|_| PasswordError::Fault("the hashing task died"))
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|_| PasswordError::Fault("bad Argon2 parameters"))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash_now(password: &str) -> Result<Zeroizing<String>, PasswordError> {
    let salt = ids::random_bytes::<16>().map_err(|_| PasswordError::Fault("no randomness"))?;
    let salt =
        SaltString::encode_b64(salt.as_slice()).map_err(|_| PasswordError::Fault("bad salt"))?;
    let hash = argon2()?.hash_password(password.as_bytes(), &salt);
    hash.map(|hash| Zeroizing::new(hash.to_string()))
        .map_err(|_| PasswordError::Fault("hash"))
}

fn verify_now(password: &str, phc: &str) -> Result<bool, PasswordError> {
    let hash =
        PasswordHash::new(phc).map_err(|_| PasswordError::Fault("the stored hash is not PHC"))?;
    Ok(argon2()?
        .verify_password(password.as_bytes(), &hash)
        .is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_hash_is_phc_with_the_stated_parameters_and_verifies() {
        let pool = Passwords::new(1).unwrap();
        let phc = pool.hash(secret("Correct horse 1!")).await.unwrap();
        assert!(
            phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            phc.as_str()
        );
        let user = UserId::from(ids::new_id());
        let right = pool
            .verify(secret("Correct horse 1!"), Some((user, phc.clone())))
            .await
            .unwrap();
        assert_eq!(right.map(|proof| proof.user_id()), Some(user));
        assert!(
            pool.verify(secret("correct horse 1!"), Some((user, phc)))
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn an_unknown_account_is_never_verified_not_even_with_the_decoys_password() {
        let pool = Passwords::new(1).unwrap();
        assert!(
            pool.verify(secret("a password that nobody has"), None)
                .await
                .unwrap()
                .is_none()
        );
    }

    #[tokio::test]
    async fn a_full_queue_answers_busy_at_once() {
        let pool = Passwords::new(1).unwrap();
        let all = u32::try_from(pool.admitted.available_permits()).unwrap();
        let _held = Arc::clone(&pool.admitted)
            .acquire_many_owned(all)
            .await
            .unwrap();
        assert!(matches!(
            pool.hash(secret("x")).await,
            Err(PasswordError::Busy)
        ));
    }
}
