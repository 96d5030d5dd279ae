//! The shared secrets, each with a small id, so that a new one can be introduced before the old one
//! is withdrawn.

use std::fmt;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The shortest accepted secret, in bytes.
const MIN_SECRET_BYTES: usize = 32;
/// One in use, one on its way in or out, and room for a mistake.
const MAX_KEYS: usize = 4;

/// One or more keys; the first signs, all of them verify.
#[derive(Clone)]
pub struct Keys {
    signing: Key,
    older: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: u8,
    secret: Zeroizing<Vec<u8>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    #[error("a worker secret needs at least {MIN_SECRET_BYTES} bytes")]
    TooShort,
    #[error("at most {MAX_KEYS} worker secrets can be active")]
    TooMany,
    #[error("two worker secrets have the same key id")]
    DuplicateId,
}

impl Keys {
    /// Reads `secret`, or `id:secret,id:secret` with the signing key first. A secret without an id has
    /// the id 1. Space around a secret is ignored, so that it can be the line of a file.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for part in text.split(',') {
            let key = Key::parse(part.trim())?;
            if keys.iter().any(|other: &Key| other.id == key.id) {
                return Err(KeysError::DuplicateId);
            }
            keys.push(key);
        }
        if keys.len() > MAX_KEYS {
            return Err(KeysError::TooMany);
        }
        let older = keys.split_off(1);
        let signing = keys.pop().ok_or(KeysError::TooShort)?;
        Ok(Self { signing, older })
    }

    pub(super) fn signing_id(&self) -> u8 {
        self.signing.id
    }

    /// The keyed hash with the signing key.
    pub(super) fn signing_mac(&self) -> Hmac<Sha256> {
        self.signing.mac()
    }

    /// The keyed hash with the key of that id, if it is active.
    pub(super) fn mac(&self, id: u8) -> Option<Hmac<Sha256>> {
        std::iter::once(&self.signing)
            .chain(&self.older)
            .find(|key| key.id == id)
            .map(Key::mac)
    }
}

impl Key {
    fn parse(part: &str) -> Result<Self, KeysError> {
        let numbered = part
            .split_once(':')
            .and_then(|(id, secret)| Some((id.parse().ok()?, secret)));
        let (id, secret) = numbered.unwrap_or((1, part));
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeysError::TooShort);
        }
        Ok(Self {
            id,
            secret: Zeroizing::new(secret.as_bytes().to_vec()),
        })
    }

    #[expect(
        clippy::expect_used,
        reason = "HMAC takes a key of any length (RFC 2104, section 2)"
    )]
    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.secret).expect("HMAC takes a key of any length")
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = std::iter::once(self.signing.id).chain(self.older.iter().map(|key| key.id));
        f.debug_struct("Keys")
            .field("ids", &ids.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn reads_one_or_several_keys() {
        assert_eq!(Keys::parse(&format!("{A}\n")).unwrap().signing_id(), 1);
        let two = Keys::parse(&format!("2:{B},1:{A}")).unwrap();
        assert_eq!(two.signing_id(), 2);
        assert!(two.mac(1).is_some() && two.mac(2).is_some() && two.mac(3).is_none());
    }

    #[test]
    fn refuses_weak_or_ambiguous_keys() {
        assert_eq!(Keys::parse("").unwrap_err(), KeysError::TooShort);
        assert_eq!(
            Keys::parse(&format!("2:{B},1:short")).unwrap_err(),
            KeysError::TooShort
        );
        assert_eq!(
            Keys::parse(&format!("1:{B},1:{A}")).unwrap_err(),
            KeysError::DuplicateId
        );
        let five: Vec<_> = (1..=5).map(|id| format!("{id}:{A}")).collect();
        assert_eq!(
            Keys::parse(&five.join(",")).unwrap_err(),
            KeysError::TooMany
        );
    }

    #[test]
    fn debug_shows_ids_only() {
        let shown = format!("{:?}", Keys::parse(&format!("7:{A}")).unwrap());
        assert_eq!(shown, "Keys { ids: [7], .. }");
    }
}
