//! Argon2id (RFC 9106) with a pepper as its secret value. A hash is a PHC string that names its parameters and its
//! pepper (`keyid`), so each is checked with its own, and one that differs from today's is noticed.

use std::cell::RefCell;
use std::sync::{Arc, PoisonError, RwLock};

use aggregates::values::Password;
use argon2::password_hash::{Output, ParamsString, PasswordHash, Salt, SaltString};
use argon2::{Algorithm, Argon2, Block, KeyId, Params, ParamsBuilder, Version};
use zeroize::Zeroizing;

use super::PasswordError;
use crate::config::Argon2Cost;
use crate::keyring::{Pepper, Peppers};
use crate::ports::ids;

/// Of a new hash, in bytes.
const LENGTH: usize = Params::DEFAULT_OUTPUT_LEN;

/// A new hash, for the vault.
pub struct HashedPassword {
    phc: Zeroizing<String>,
    pepper_id: String,
}

impl HashedPassword {
    /// The PHC string; for the vault only.
    pub fn phc(&self) -> &str {
        &self.phc
    }

    /// One that was kept in the vault for a while.
    pub fn from_vault(phc: Zeroizing<String>, pepper_id: String) -> Self {
        Self { phc, pepper_id }
    }

    /// One that was not made by hashing.
    #[cfg(test)]
    pub fn for_test(phc: &str) -> Self {
        Self {
            phc: Zeroizing::new(phc.to_owned()),
            pepper_id: "00".repeat(8),
        }
    }

    /// Which pepper it was made with, in hexadecimal.
    pub fn pepper_id(&self) -> &str {
        &self.pepper_id
    }
}

impl std::fmt::Debug for HashedPassword {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HashedPassword(..)")
    }
}

/// What checking a password found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is not the one.
    Wrong,
    /// It is, and its hash is as a new one would be.
    Right,
    /// It is, but its hash has other parameters or another pepper.
    Outdated,
}

/// Makes and checks hashes; blocking.
pub(super) struct Hasher {
    cost: Argon2Cost,
    /// They become more while the process runs, never fewer.
    peppers: RwLock<Arc<Peppers>>,
    decoy: Zeroizing<String>,
}

impl Hasher {
    pub(super) fn new(cost: Argon2Cost, peppers: Peppers) -> Result<Self, PasswordError> {
        let mut hasher = Self {
            cost,
            peppers: RwLock::new(Arc::new(peppers)),
            decoy: Zeroizing::default(),
        };
        let nobodys = hasher.hash(&Password::new("a password that nobody has"))?;
        hasher.decoy = nobodys.phc;
        Ok(hasher)
    }

    fn peppers(&self) -> Arc<Peppers> {
        let peppers = self.peppers.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&peppers)
    }

    /// Whether new hashes are made with this one.
    pub(super) fn is_in_force(&self, pepper: &Pepper) -> bool {
        self.peppers().current().id() == pepper.id()
    }

    /// Makes new hashes with the current one of `peppers`, and knows all others still.
    pub(super) fn learn(&self, peppers: Peppers) {
        let mut known = self.peppers.write().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(peppers.with_former(known.all().cloned()));
    }

    /// The pepper that a hash needs and that is not known, by its identifier in hexadecimal.
    pub(super) fn lacking(&self, phc: &str) -> Option<String> {
        let hash = PasswordHash::new(phc).ok()?;
        let params = Params::try_from(&hash).ok()?;
        lacks_pepper(&self.peppers(), &params).then(|| hex::encode(params.keyid()))
    }

    /// A hash against which unknown accounts are checked, so that they cost what known ones do.
    pub(super) fn decoy(&self) -> &str {
        &self.decoy
    }

    pub(super) fn hash(&self, password: &Password) -> Result<HashedPassword, PasswordError> {
        let salt = ids::random_bytes::<16>().map_err(|_| PasswordError::Fault("no randomness"))?;
        let salt = SaltString::encode_b64(salt.as_slice())
            .map_err(|_| PasswordError::Fault("bad salt"))?;
        let peppers = self.peppers();
        let pepper = peppers.current();
        let params = self.params(pepper)?;
        let argon2 = argon2(pepper, params.clone())?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params)
                .map_err(|_| PasswordError::Fault("bad Argon2 parameters"))?,
            salt: Some(salt.as_salt()),
            hash: Some(output(&argon2, password, salt.as_salt(), LENGTH)?),
        };
        Ok(HashedPassword {
            phc: Zeroizing::new(hash.to_string()),
            pepper_id: hex::encode(pepper.id()),
        })
    }

    pub(super) fn verify(&self, password: &Password, phc: &str) -> Result<Verdict, PasswordError> {
        let fault = |_| PasswordError::Fault("the stored hash is not PHC");
        let hash = PasswordHash::new(phc).map_err(fault)?;
        let params = Params::try_from(&hash).map_err(fault)?;
        let peppers = self.peppers();
        if lacks_pepper(&peppers, &params) {
            return self.without_pepper(password, &params);
        }
        let pepper = peppers.find(params.keyid());
        let argon2 = match pepper {
            Some(pepper) => argon2(pepper, params.clone())?,
            // From before there were peppers.
            None => Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone()),
        };
        let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
            return Err(PasswordError::Fault("the stored hash is not whole"));
        };
        let is_ours = hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into());
        if !is_ours {
            return Err(PasswordError::Fault("the stored hash is not Argon2id 1.3"));
        }
        let seen = output(&argon2, password, salt, expected.len())?;
        // Outputs are compared in constant time.
        Ok(if seen != expected {
            Verdict::Wrong
        } else if self.is_current(peppers.current(), &params) {
            Verdict::Right
        } else {
            Verdict::Outdated
        })
    }

    /// Nobody can be let in, and the answer must not tell that from a wrong password, nor by its time.
    fn without_pepper(
        &self,
        password: &Password,
        params: &Params,
    ) -> Result<Verdict, PasswordError> {
        let pepper = hex::encode(params.keyid());
        tracing::error!(
            pepper,
            "a password needs a pepper that is not configured: PASSWORD_PEPPER_FORMER"
        );
        self.verify(password, &self.decoy)?;
        Ok(Verdict::Wrong)
    }

    fn is_current(&self, pepper: &Pepper, params: &Params) -> bool {
        let cost = Argon2Cost {
            memory_kib: params.m_cost(),
            passes: params.t_cost(),
            lanes: params.p_cost(),
        };
        cost == self.cost && params.keyid() == pepper.id()
    }

    fn params(&self, pepper: &Pepper) -> Result<Params, PasswordError> {
        let fault = |_| PasswordError::Fault("bad Argon2 parameters");
        let key_id = KeyId::new(pepper.id()).map_err(fault)?;
        ParamsBuilder::new()
            .m_cost(self.cost.memory_kib)
            .t_cost(self.cost.passes)
            .p_cost(self.cost.lanes)
            .keyid(key_id)
            .build()
            .map_err(fault)
    }
}

fn lacks_pepper(peppers: &Peppers, params: &Params) -> bool {
    !params.keyid().is_empty() && peppers.find(params.keyid()).is_none()
}

thread_local! {
    /// The memory of a hashing thread, kept from one hash to the next: to get it anew and have it cleared each time costs
    /// the system as much as a tenth of a hash, in page faults that also hold up everybody else.
    static MEMORY: RefCell<Vec<Block>> = const { RefCell::new(Vec::new()) };
}

fn output(
    argon2: &Argon2<'_>,
    password: &Password,
    salt: Salt<'_>,
    length: usize,
) -> Result<Output, PasswordError> {
    let mut bytes = [0; Salt::MAX_LENGTH];
    let salt = salt
        .decode_b64(&mut bytes)
        .map_err(|_| PasswordError::Fault("bad salt"))?;
    let blocks = argon2.params().block_count();
    MEMORY.with_borrow_mut(|memory| {
        if memory.len() < blocks {
            memory.resize(blocks, Block::default());
        }
        Output::init_with(length, |out| {
            let password = password.expose().as_bytes();
            Ok(argon2.hash_password_into_with_memory(password, salt, out, memory)?)
        })
        .map_err(|_| PasswordError::Fault("hash"))
    })
}

fn argon2(pepper: &Pepper, params: Params) -> Result<Argon2<'_>, PasswordError> {
    Argon2::new_with_secret(pepper.key(), Algorithm::Argon2id, Version::V0x13, params)
        .map_err(|_| PasswordError::Fault("bad pepper"))
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

    use super::*;
    use crate::config::{Config, Source};

    const CHEAP: Argon2Cost = Argon2Cost {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };

    fn peppers(settings: &[(&str, &str)]) -> Peppers {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let (master, mut all) = ("0f".repeat(32), vec![("DATA_DIR", path.as_str())]);
        all.push(("MASTER_KEY", &master));
        all.extend_from_slice(settings);
        let config = Config::load(&Source::from_pairs(&all, &[])).unwrap();
        Peppers::load(&config.master_keys, &config.passwords)
    }

    fn hasher(cost: Argon2Cost, settings: &[(&str, &str)]) -> Hasher {
        Hasher::new(cost, peppers(settings)).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text)
    }

    #[test]
    fn a_hash_names_its_parameters_and_its_pepper_and_verifies() {
        let hasher = hasher(CHEAP, &[]);
        let hash = hasher.hash(&password("Correct horse 1!")).unwrap();
        assert!(
            hash.phc().starts_with("$argon2id$v=19$m=64,t=1,p=1,keyid="),
            "{}",
            hash.phc()
        );
        assert_eq!(
            hash.pepper_id(),
            hex::encode(hasher.peppers().current().id())
        );
        let verify = |text: &str| hasher.verify(&password(text), hash.phc()).unwrap();
        assert_eq!(verify("Correct horse 1!"), Verdict::Right);
        assert_eq!(verify("correct horse 1!"), Verdict::Wrong);
        assert_eq!(
            verify("Correct horse 1\u{fe57}"),
            Verdict::Right,
            "NFKC at verifying, too"
        );
    }

    #[test]
    fn nothing_of_a_long_password_is_cut_off() {
        let hasher = hasher(CHEAP, &[]);
        let long = "a".repeat(255);
        let hash = hasher.hash(&password(&format!("{long}b"))).unwrap();
        let verify = |end: char| {
            hasher
                .verify(&password(&format!("{long}{end}")), hash.phc())
                .unwrap()
        };
        assert_eq!((verify('b'), verify('c')), (Verdict::Right, Verdict::Wrong));
    }

    #[test]
    fn a_hash_of_other_cost_is_right_but_outdated() {
        let hash = hasher(CHEAP, &[]).hash(&password("x")).unwrap();
        for cost in [
            Argon2Cost {
                memory_kib: 128,
                ..CHEAP
            },
            Argon2Cost { passes: 2, ..CHEAP },
            Argon2Cost { lanes: 2, ..CHEAP },
        ] {
            let other = hasher(cost, &[]);
            assert_eq!(
                other.verify(&password("x"), hash.phc()).unwrap(),
                Verdict::Outdated
            );
            assert_eq!(
                other.verify(&password("y"), hash.phc()).unwrap(),
                Verdict::Wrong
            );
        }
    }

    #[test]
    fn a_former_pepper_is_good_as_long_as_it_is_configured() {
        let (one, two) = ("1a".repeat(32), "2b".repeat(32));
        let old = hasher(CHEAP, &[("PASSWORD_PEPPER", &one)]);
        let hash = old.hash(&password("x")).unwrap();
        let settings = [
            ("PASSWORD_PEPPER", two.as_str()),
            ("PASSWORD_PEPPER_FORMER", &one),
        ];
        let rotated = hasher(CHEAP, &settings);
        assert_eq!(
            rotated.verify(&password("x"), hash.phc()).unwrap(),
            Verdict::Outdated
        );
        assert_eq!(
            rotated.verify(&password("y"), hash.phc()).unwrap(),
            Verdict::Wrong
        );
        let without = hasher(CHEAP, &[("PASSWORD_PEPPER", &two)]);
        assert_eq!(
            without.verify(&password("x"), hash.phc()).unwrap(),
            Verdict::Wrong
        );
        let derived = hasher(CHEAP, &[]).hash(&password("x")).unwrap();
        assert_eq!(
            without.verify(&password("x"), derived.phc()).unwrap(),
            Verdict::Outdated
        );
    }

    #[test]
    fn the_pepper_is_a_part_of_the_hash_and_not_only_named_in_it() {
        let hasher = hasher(CHEAP, &[]);
        let hash = hasher.hash(&password("x")).unwrap();
        let parsed = PasswordHash::new(hash.phc()).unwrap();
        let params = Params::try_from(&parsed).unwrap();
        let plain = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        assert!(plain.verify_password(b"x", &parsed).is_err());
    }

    #[test]
    fn a_hash_from_before_there_were_peppers_is_right_but_outdated() {
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let params = Params::new(64, 1, 1, None).unwrap();
        let plain = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let phc = plain.hash_password(b"x", &salt).unwrap().to_string();
        let hasher = hasher(CHEAP, &[]);
        assert_eq!(
            hasher.verify(&password("x"), &phc).unwrap(),
            Verdict::Outdated
        );
        assert_eq!(hasher.verify(&password("y"), &phc).unwrap(), Verdict::Wrong);
    }

    #[test]
    fn an_unknown_account_costs_the_same_work_as_a_wrong_password() {
        let cost = Argon2Cost {
            memory_kib: 128,
            passes: 3,
            lanes: 2,
        };
        let pepper = "3c".repeat(32);
        let hasher = hasher(cost, &[("PASSWORD_PEPPER", &pepper)]);
        let real = hasher.hash(&password("x")).unwrap();
        let (real, decoy) = (
            PasswordHash::new(real.phc()).unwrap(),
            PasswordHash::new(hasher.decoy()).unwrap(),
        );
        assert_eq!(
            (real.algorithm, real.version),
            (decoy.algorithm, decoy.version)
        );
        assert_eq!(
            real.params, decoy.params,
            "memory, passes, lanes and pepper"
        );
        let lengths =
            |hash: &PasswordHash<'_>| (hash.salt.unwrap().len(), hash.hash.unwrap().len());
        assert_eq!(lengths(&real), lengths(&decoy));
        assert_ne!(real.salt, decoy.salt);
    }
}
