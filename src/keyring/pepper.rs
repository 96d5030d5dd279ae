//! Peppers: the keys that password hashes are made with (RFC 9106, the secret value K). The one in force is in no table:
//! whoever has the database and even the vault's key, but not the pepper, can test no guess.
//!
//! Each has an identifier, which stands in the hash, so that a hash made under a former pepper can be checked for as
//! long as that one is configured. Identifiers tell keys apart and nothing else.

use zeroize::Zeroizing;

use super::derive;
use crate::config::{MasterKeys, PasswordConfig};

/// As many bytes as the PHC string format has room for.
const ID_BYTES: usize = 8;

/// One pepper.
#[derive(Clone)]
pub struct Pepper {
    id: [u8; ID_BYTES],
    key: Zeroizing<[u8; 32]>,
}

impl Pepper {
    /// The pepper that a root key gives, be it the master key or one of its own.
    pub fn derive(root: &[u8; 32]) -> Self {
        let mut id = [0; ID_BYTES];
        let long = derive(root, "gatelog/password-pepper-id/v1");
        id.iter_mut().zip(*long).for_each(|(to, from)| *to = from);
        Self {
            id,
            key: derive(root, "gatelog/password-pepper/v1"),
        }
    }

    /// As [`Self::to_bytes`] made it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (id, key) = bytes.split_first_chunk::<ID_BYTES>()?;
        Some(Self {
            id: *id,
            key: Zeroizing::new(key.try_into().ok()?),
        })
    }

    /// For the vault, which keeps it when its root key goes.
    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([self.id.as_slice(), self.key.as_slice()].concat())
    }

    /// What the hash is marked with.
    pub fn id(&self) -> &[u8] {
        &self.id
    }

    /// The key; for hashing only.
    pub fn key(&self) -> &[u8] {
        self.key.as_slice()
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Pepper({})", hex::encode(self.id))
    }
}

/// The pepper of new hashes, and those that older ones may have.
#[derive(Debug, Clone)]
pub struct Peppers {
    current: Pepper,
    former: Vec<Pepper>,
}

impl Peppers {
    /// The configured pepper, else the master key's. Those of the master keys stay good in either case.
    pub fn load(masters: &MasterKeys, config: &PasswordConfig) -> Self {
        let of_master = Pepper::derive(masters.current.bytes());
        let former = config
            .former_peppers
            .iter()
            .map(|key| Pepper::derive(key.bytes()))
            .chain(masters.former.iter().map(|key| Pepper::derive(key.bytes())));
        match &config.pepper {
            None => Self {
                current: of_master,
                former: former.collect(),
            },
            Some(key) => Self {
                current: Pepper::derive(key.bytes()),
                former: std::iter::once(of_master).chain(former).collect(),
            },
        }
    }

    /// These, and more that hashes may have.
    #[must_use]
    pub fn with_former(mut self, more: impl IntoIterator<Item = Pepper>) -> Self {
        for pepper in more {
            if self.find(pepper.id()).is_none() {
                self.former.push(pepper);
            }
        }
        self
    }

    /// All of them, the one for new hashes first.
    pub fn all(&self) -> impl Iterator<Item = &Pepper> {
        std::iter::once(&self.current).chain(&self.former)
    }

    /// The one for new hashes.
    pub fn current(&self) -> &Pepper {
        &self.current
    }

    /// The one with this identifier.
    pub fn find(&self, id: &[u8]) -> Option<&Pepper> {
        self.all().find(|pepper| pepper.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_root_key_gives_a_pepper_and_an_identifier_of_its_own() {
        let (one, again, two) = (
            Pepper::derive(&[1; 32]),
            Pepper::derive(&[1; 32]),
            Pepper::derive(&[2; 32]),
        );
        assert_eq!((one.id(), one.key()), (again.id(), again.key()));
        assert_ne!(one.id(), two.id());
        assert_ne!(one.key(), two.key());
        assert_ne!(one.key(), [1; 32]);
        assert!(
            !one.key().starts_with(one.id()),
            "the identifier is no part of the key"
        );
    }

    #[test]
    fn the_key_is_not_in_the_debug_text() {
        let pepper = Pepper::derive(&[1; 32]);
        assert!(!format!("{pepper:?}").contains(&hex::encode(pepper.key())));
    }
}
