//! Passwords: measured and hashed by threads of the lowest priority with a bounded queue, so that sign-ins never starve
//! other requests.
//!
//! Hashes leave this module only for the vault. That a password was right is a [`VerifiedPassword`], which only this
//! module can make. It never logs a password and never compares in the clear.

mod hasher;
mod rotation;
mod strength;

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use aggregates::values::{Password, PasswordFailure, PasswordId, PasswordPolicy, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use zeroize::Zeroizing;

use crate::config::PasswordConfig;
use crate::keyring::{Peppers, StoredPassword, Vault};

pub use hasher::HashedPassword;
use hasher::{Hasher, Verdict};

/// Hashes that may wait for each one that runs; at about 30 ms a hash that is about two seconds.
const WAITING_PER_THREAD: usize = 64;

/// New passwords whose strength is estimated at once.
const MEASURED_AT_ONCE: usize = 64;

/// The `nice` value of the threads.
const LOWEST_PRIORITY: i32 = 19;

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
    password_id: PasswordId,
}

impl VerifiedPassword {
    /// Whose password it was.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// Which of theirs it was.
    pub fn password_id(&self) -> PasswordId {
        self.password_id
    }
}

/// Every rule that a new password breaks. `identity` are the person's address and name. Whether it is easily guessed is
/// looked at as far as that costs nothing: where no rule is broken, ask [`Passwords::is_guessable`].
pub fn broken_rules(
    policy: &PasswordPolicy,
    password: &Password,
    identity: &[String],
) -> Vec<PasswordFailure> {
    let known: Vec<&str> = identity.iter().map(String::as_str).collect();
    let failures = policy.check(password, &known, false);
    if failures.is_empty() {
        return failures;
    }
    let is_guessable = strength::is_plainly_guessable(password, identity);
    policy.check(password, &known, is_guessable)
}

/// What verifying a right password gives.
#[derive(Debug)]
pub struct Verified {
    /// The proof.
    pub proof: VerifiedPassword,
    /// The stored hash has other parameters or another pepper than today's: what it was, and what should be.
    pub upgrade: Option<(StoredPassword, HashedPassword)>,
}

/// A place in the queue of hashes.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    _crowds: Vec<InCrowd>,
}

/// How many places each crowd has at the moment.
type Crowds = Arc<Mutex<HashMap<String, usize>>>;

/// One of a crowd, as long as it is held.
#[derive(Debug)]
struct InCrowd {
    crowds: Crowds,
    name: String,
}

impl InCrowd {
    /// None when the crowd has as many as it may.
    fn join(crowds: &Crowds, name: &str, most: usize) -> Option<Self> {
        let mut counts = crowds.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(name.to_owned()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self {
            crowds: Arc::clone(crowds),
            name: name.to_owned(),
        })
    }
}

impl Drop for InCrowd {
    fn drop(&mut self) {
        let mut counts = self.crowds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.name);
            }
        }
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// The hashing pool.
#[derive(Clone)]
pub struct Passwords {
    jobs: Sender<Job>,
    admitted: Arc<Semaphore>,
    measuring: Arc<Semaphore>,
    crowds: Crowds,
    hasher: Arc<Hasher>,
    service_name: String,
    source: Option<Arc<rotation::Source>>,
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Passwords")
            .field("free", &self.admitted.available_permits())
            .finish_non_exhaustive()
    }
}

impl Passwords {
    /// A pool that runs at most as many hashes at once as the settings say.
    ///
    /// # Errors
    /// The decoy hash, against which unknown accounts are checked, cannot be made.
    pub fn new(config: &PasswordConfig, peppers: Peppers) -> Result<Self, PasswordError> {
        let threads = config.hash_threads;
        let (jobs, waiting) = channel();
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..threads {
            let started = start_thread(&waiting);
            started.map_err(|_| PasswordError::Fault("no thread"))?;
        }
        Ok(Self {
            jobs,
            admitted: Arc::new(Semaphore::new(threads * (1 + WAITING_PER_THREAD))),
            measuring: Arc::new(Semaphore::new(MEASURED_AT_ONCE)),
            crowds: Crowds::default(),
            hasher: Arc::new(Hasher::new(config.cost, peppers)?),
            service_name: config.service_name.clone(),
            source: None,
        })
    }

    /// This, learning the peppers of master keys that come while the process runs.
    #[must_use]
    pub fn learning(mut self, vault: Vault, config: PasswordConfig) -> Self {
        self.source = Some(Arc::new(rotation::Source::new(vault, config)));
        self
    }

    /// Whether a new password is easily guessed, though it keeps the rules. `identity` are the person's address and
    /// name. Few are looked at at once, so that they leave room for sign-ins.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when too many are.
    pub async fn is_guessable(
        &self,
        password: &Password,
        mut identity: Vec<String>,
    ) -> Result<bool, PasswordError> {
        identity.push(self.service_name.clone());
        let measuring = Arc::clone(&self.measuring).try_acquire_owned();
        let place = Place {
            _permit: measuring.map_err(|_| PasswordError::Busy)?,
            _crowds: Vec::new(),
        };
        let password = password.clone();
        self.run_at(place, move || strength::is_guessable(&password, &identity))
            .await
    }

    /// The hash of a new password.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn hash(&self, password: Password) -> Result<HashedPassword, PasswordError> {
        let hasher = Arc::clone(&self.hasher);
        self.run(move || hasher.hash(&password)).await?
    }

    /// Whether `password` is the account's; an unknown account costs the same work. A hash that is not as a new one
    /// would be is made anew in the same turn, since only now the password is known.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn verify(
        &self,
        place: Place,
        password: Password,
        account: Option<(UserId, StoredPassword)>,
    ) -> Result<Option<Verified>, PasswordError> {
        if let Some((_, stored)) = &account {
            self.find_pepper_of(stored.phc()).await?;
        }
        let hasher = Arc::clone(&self.hasher);
        self.run_at(place, move || verify_now(&hasher, &password, account))
            .await?
    }

    /// Whether `password` is the one of a hash that is no account's yet.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when the queue is full.
    pub async fn matches(
        &self,
        password: Password,
        phc: Zeroizing<String>,
    ) -> Result<bool, PasswordError> {
        self.find_pepper_of(&phc).await?;
        let hasher = Arc::clone(&self.hasher);
        let verdict = self.run(move || hasher.verify(&password, &phc)).await??;
        Ok(verdict != Verdict::Wrong)
    }

    /// A place in the queue, for one of these crowds, each with the most that it may have.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when it is full, or has too many of a crowd.
    pub fn place(&self, crowds: &[(&str, usize)]) -> Result<Place, PasswordError> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let permit = admitted.map_err(|_| PasswordError::Busy)?;
        let join = |(name, most): &(&str, usize)| InCrowd::join(&self.crowds, name, *most);
        let joined: Option<Vec<InCrowd>> = crowds.iter().map(join).collect();
        Ok(Place {
            _permit: permit,
            _crowds: joined.ok_or(PasswordError::Busy)?,
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        self.run_at(self.place(&[])?, work).await
    }

    async fn run_at<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            let done = work();
            // Held as long as the work goes on, also when the client has gone.
            drop(place);
            let _ = reply.send(done);
        });
        let closed = |_| PasswordError::Fault("the pool is closed");
        self.jobs.send(job).map_err(closed)?;
        answer
            .await
            .map_err(|_| PasswordError::Fault("the hashing thread died"))
    }
}

/// Starts a thread. It yields to everything else, so that hashes take what is left of the processor.
fn start_thread(waiting: &Arc<Mutex<Receiver<Job>>>) -> std::io::Result<()> {
    let waiting = Arc::clone(waiting);
    let work = move || {
        // On Linux this is of the calling thread alone. FFmpeg ranks lower still, so that it does not starve sign-ins.
        if let Err(error) = rustix::process::setpriority_process(None, LOWEST_PRIORITY) {
            tracing::warn!(%error, "hashing runs at the priority of everything else");
        }
        while let Some(job) = next(&waiting) {
            // What panics answers its caller by being dropped.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    };
    let thread = std::thread::Builder::new().name("hashing".to_owned());
    thread.spawn(work).map(|_| ())
}

/// The next job; none when the pool is gone.
fn next(waiting: &Mutex<Receiver<Job>>) -> Option<Job> {
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.recv().ok()
}

fn verify_now(
    hasher: &Hasher,
    password: &Password,
    account: Option<(UserId, StoredPassword)>,
) -> Result<Option<Verified>, PasswordError> {
    let Some((user_id, stored)) = account else {
        hasher.verify(password, hasher.decoy())?;
        return Ok(None);
    };
    let verdict = hasher.verify(password, stored.phc())?;
    let proof = VerifiedPassword {
        user_id,
        password_id: stored.password_id(),
    };
    let upgrade = match verdict {
        Verdict::Wrong => return Ok(None),
        Verdict::Right => None,
        Verdict::Outdated => Some((stored, hasher.hash(password)?)),
    };
    Ok(Some(Verified { proof, upgrade }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source};
    use crate::ports::ids;

    fn pool() -> Passwords {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let settings = [("DATA_DIR", path.as_str()), ("PASSWORD_HASH_THREADS", "1")];
        let config = Config::load(&Source::from_pairs(&settings, &[])).unwrap();
        let peppers = Peppers::load(&config.master_keys, &config.passwords);
        Passwords::new(&config.passwords, peppers).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text)
    }

    #[tokio::test]
    async fn the_proof_says_whose_and_which_password_was_verified() {
        let pool = pool();
        let hash = pool.hash(password("Correct horse 1!")).await.unwrap();
        assert!(
            hash.phc()
                .starts_with("$argon2id$v=19$m=19456,t=2,p=1,keyid=")
        );
        let (user, id) = (UserId::from(ids::new_id()), PasswordId::from(ids::new_id()));
        let account = || Some((user, StoredPassword::for_test(id, hash.phc())));
        let right = pool
            .verify(
                pool.place(&[]).unwrap(),
                password("Correct horse 1!"),
                account(),
            )
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (right.proof.user_id(), right.proof.password_id()),
            (user, id)
        );
        assert!(right.upgrade.is_none());
        assert!(
            pool.verify(
                pool.place(&[]).unwrap(),
                password("correct horse 1!"),
                account()
            )
            .await
            .unwrap()
            .is_none()
        );
    }

    #[tokio::test]
    async fn an_unknown_account_is_never_verified_not_even_with_the_decoys_password() {
        let decoys = password("a password that nobody has");
        let pool = pool();
        let place = pool.place(&[]).unwrap();
        assert!(pool.verify(place, decoys, None).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_full_queue_answers_busy_at_once() {
        let pool = pool();
        let all = u32::try_from(pool.admitted.available_permits()).unwrap();
        let _held = Arc::clone(&pool.admitted)
            .acquire_many_owned(all)
            .await
            .unwrap();
        assert!(matches!(
            pool.hash(password("x")).await,
            Err(PasswordError::Busy)
        ));
        // Estimates have a queue of their own.
        assert!(pool.is_guessable(&password("x"), Vec::new()).await.unwrap());
        let _held = Arc::clone(&pool.measuring)
            .acquire_many_owned(u32::try_from(MEASURED_AT_ONCE).unwrap())
            .await
            .unwrap();
        assert!(matches!(
            pool.is_guessable(&password("x"), Vec::new()).await,
            Err(PasswordError::Busy)
        ));
    }

    #[tokio::test]
    async fn nobody_alone_fills_the_queue() {
        let pool = pool();
        let of_one = |network| pool.place(&[("one", 2), (network, 3)]);
        let held = [of_one("near").unwrap(), of_one("near").unwrap()];
        assert!(matches!(of_one("near"), Err(PasswordError::Busy)));
        assert!(matches!(of_one("far"), Err(PasswordError::Busy)));
        let other = pool.place(&[("other", 2), ("near", 3)]).unwrap();
        assert!(pool.place(&[("third", 2), ("near", 3)]).is_err());
        drop(held);
        // Who was refused by one crowd is in no other.
        assert!(of_one("near").is_ok());
        drop(other);
        assert!(pool.crowds.lock().unwrap().is_empty());
    }
}
