//! The keyring: what seals personal text and secrets.
//!
//! One master key; from it HKDF-SHA256 (RFC 5869) derives a key for each purpose. Keys whose traces stand in
//! the log for ever are random and wrapped under it, so that it can be rotated. Each person has a data key
//! of their own, wrapped under the master key and kept in the vault: destroying it makes that person's text
//! in the log unreadable for ever, while every proof over the ciphertext still holds. The cipher is
//! XChaCha20-Poly1305 with random 24-byte nonces. Keys never print.

mod pepper;
mod rotation;
mod system_keys;
mod vault;
mod vault_mails;
mod vault_passwords;
mod vault_second_factor;
mod vault_webhooks;
mod wraps;

use aggregates::values::{EmailAddress, EmailClaimId, Sealed};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::ports::ids;

use wraps::Wraps;

pub use pepper::{Pepper, Peppers};
pub use vault::{
    StoredPassword, Vault, VaultError, WrappedPersonKey, person_key_of, person_key_of_claim,
};
pub use vault_mails::MailTable;
pub use vault_passwords::{
    SealedPassword, of_claim as password_of_claim, of_person as password_of,
};

const NONCE_BYTES: usize = 24;
const SEAL_PREFIX: &str = "v1.";

/// Why something cannot be sealed or opened. It says nothing about the content.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] ids::NoRandomness),
    /// The text is not ours, was changed, moved to another place, or sealed under another key.
    #[error("a sealed value does not open")]
    DoesNotOpen,
    /// A key is wrapped under a master key that is not among those given.
    #[error("a key is wrapped under the master key {0}, which is not given")]
    UnknownMasterKey(String),
    /// The cipher refused.
    #[error("sealing failed")]
    SealFailed,
}

/// The keys of the installation, opened.
#[derive(Clone)]
pub struct Keyring {
    wraps: Wraps,
    vault: Cipher,
    email_claims: Zeroizing<[u8; 32]>,
    idempotency: Zeroizing<[u8; 32]>,
    recovery_codes: Zeroizing<[u8; 32]>,
    links: Zeroizing<[u8; 32]>,
    throttles: Zeroizing<[u8; 32]>,
    device_tokens: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Keyring")
            .field("master_key_id", &self.wraps.current_id())
            .finish_non_exhaustive()
    }
}

impl Keyring {
    /// The identity of the claim on an address: a keyed hash of its normalised form, so that neither the
    /// log nor the database tells which address it is.
    pub fn email_claim_id(&self, email: &EmailAddress) -> EmailClaimId {
        let mac = mac(&self.email_claims, &[email.normalised().as_bytes()]);
        let mut bytes = [0_u8; 16];
        bytes.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        EmailClaimId::from(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// A keyed hash of a request, by which its repetition is recognised (hexadecimal).
    pub fn request_mac(&self, parts: &[&[u8]]) -> String {
        hex::encode(mac(&self.idempotency, parts))
    }

    /// A keyed hash of a recovery code, with whose it is (hexadecimal).
    fn recovery_code_mac(&self, parts: &[&[u8]]) -> String {
        hex::encode(mac(&self.recovery_codes, parts))
    }

    /// A keyed hash of what attempts are counted by (hexadecimal).
    pub fn throttle_mac(&self, parts: &[&[u8]]) -> String {
        hex::encode(mac(&self.throttles, parts))
    }

    /// What makes the token of a device ours.
    pub fn device_token_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.device_tokens, parts)
    }

    /// Whether the MAC of a device's token begins so; takes as long for any wrong one.
    pub fn is_device_token_mac(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let mac = keyed(&self.device_tokens, parts);
        mac.verify_truncated_left(tag).is_ok()
    }

    /// The signature of a link.
    pub fn link_signature(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.links, parts)
    }

    /// Whether it is the signature of a link; takes as long for any wrong one.
    pub fn is_link_signature(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        keyed(&self.links, parts).verify_slice(signature).is_ok()
    }

    /// One of a master key that is this byte again and again.
    #[cfg(test)]
    pub fn for_test(byte: u8) -> Self {
        let master = [byte; 32];
        let text = hex::encode(master);
        let source = crate::config::Source::from_pairs(&[("MASTER_KEY", &text)], &[]);
        let config = crate::config::Config::load(&source).unwrap();
        Self {
            wraps: Wraps::new(&config.master_keys),
            vault: Cipher::new(&master),
            email_claims: derive(&master, "a"),
            idempotency: derive(&master, "b"),
            links: derive(&master, "c"),
            recovery_codes: derive(&master, "d"),
            throttles: derive(&master, "e"),
            device_tokens: derive(&master, "f"),
        }
    }
}

/// Each part is hashed with its length before it, so that parts cannot run into each other.
fn keyed(key: &[u8; 32], parts: &[&[u8]]) -> Hmac<Sha256> {
    let Ok(mut mac) = <Hmac<Sha256> as hmac::Mac>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length")
    };
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac
}

fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    keyed(key, parts).finalize().into_bytes().into()
}

/// A person's own key, opened.
#[derive(Clone)]
pub struct PersonKey {
    cipher: Cipher,
    fingerprints: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PersonKey(..)")
    }
}

impl PersonKey {
    fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self {
            cipher: Cipher::new(bytes),
            fingerprints: derive(bytes, "gatelog/fingerprints/v1"),
        }
    }

    /// A keyed hash of something about the person, which nobody can test without their key (hexadecimal).
    pub fn fingerprint(&self, parts: &[&[u8]]) -> String {
        hex::encode(mac(&self.fingerprints, parts))
    }

    /// Seals one field of the event `event_id`. It opens only for that field of that event.
    ///
    /// # Errors
    /// No randomness.
    pub fn seal(&self, event_id: Uuid, field: &str, text: &str) -> Result<Sealed, KeyringError> {
        let sealed = self
            .cipher
            .seal(text.as_bytes(), &associated(event_id, field))?;
        Ok(Sealed::new(format!(
            "{SEAL_PREFIX}{}",
            URL_SAFE_NO_PAD.encode(sealed)
        )))
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`KeyringError::DoesNotOpen`].
    pub fn open(&self, event_id: Uuid, field: &str, sealed: &str) -> Result<String, KeyringError> {
        let text = sealed
            .strip_prefix(SEAL_PREFIX)
            .ok_or(KeyringError::DoesNotOpen)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| KeyringError::DoesNotOpen)?;
        let open = self.cipher.open(&bytes, &associated(event_id, field))?;
        String::from_utf8(open.to_vec()).map_err(|_| KeyringError::DoesNotOpen)
    }
}

impl PersonKey {
    /// Opens every sealed field of the data of the event `event_id`. What is not sealed stays as it is.
    ///
    /// # Errors
    /// [`KeyringError::DoesNotOpen`].
    pub fn open_fields(
        &self,
        event_id: Uuid,
        data: &mut serde_json::Map<String, serde_json::Value>,
    ) -> Result<(), KeyringError> {
        for (field, value) in data {
            let sealed = value.as_str().filter(|text| text.starts_with(SEAL_PREFIX));
            if let Some(sealed) = sealed {
                *value = self.open(event_id, field, sealed)?.into();
            }
        }
        Ok(())
    }
}

fn associated(event_id: Uuid, field: &str) -> Vec<u8> {
    [event_id.as_bytes().as_slice(), field.as_bytes()].concat()
}

/// XChaCha20-Poly1305; the form is nonce, then ciphertext and tag.
#[derive(Clone)]
struct Cipher(XChaCha20Poly1305);

impl Cipher {
    fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    fn seal(&self, message: &[u8], aad: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let nonce = ids::random_bytes::<NONCE_BYTES>()?;
        let payload = Payload { msg: message, aad };
        let sealed = self
            .0
            .encrypt(XNonce::from_slice(nonce.as_slice()), payload);
        let sealed = sealed.map_err(|_| KeyringError::SealFailed)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyringError> {
        let (nonce, message) = sealed
            .split_at_checked(NONCE_BYTES)
            .ok_or(KeyringError::DoesNotOpen)?;
        let payload = Payload { msg: message, aad };
        let open = self.0.decrypt(XNonce::from_slice(nonce), payload);
        open.map(Zeroizing::new)
            .map_err(|_| KeyringError::DoesNotOpen)
    }
}

fn derive(master: &[u8; 32], purpose: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0_u8; 32]);
    let expanded = Hkdf::<Sha256>::new(None, master).expand(purpose.as_bytes(), key.as_mut_slice());
    if expanded.is_err() {
        unreachable!("HKDF-SHA256 gives up to 8,160 bytes")
    }
    key
}

/// Eight hexadecimal characters that tell master keys apart and nothing else.
fn key_id(key: &[u8; 32]) -> String {
    hex::encode(Sha256::digest(key)).chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_field_opens_only_in_its_own_event_field_and_key() {
        let key = PersonKey::from_bytes(&[7; 32]);
        let event = ids::new_id();
        let sealed = key.seal(event, "email", "ada@example.com").unwrap();
        assert_eq!(
            key.open(event, "email", sealed.as_str()).unwrap(),
            "ada@example.com"
        );
        assert!(key.open(ids::new_id(), "email", sealed.as_str()).is_err());
        assert!(key.open(event, "name", sealed.as_str()).is_err());
        assert!(
            PersonKey::from_bytes(&[8; 32])
                .open(event, "email", sealed.as_str())
                .is_err()
        );
        assert!(!sealed.as_str().contains("ada"));
    }

    #[test]
    fn no_changed_byte_of_a_sealed_field_goes_unnoticed() {
        let key = PersonKey::from_bytes(&[7; 32]);
        let event = ids::new_id();
        let sealed = key.seal(event, "email", "ada@example.com").unwrap();
        let bytes = URL_SAFE_NO_PAD
            .decode(sealed.as_str().strip_prefix(SEAL_PREFIX).unwrap())
            .unwrap();
        for place in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[place] ^= 1;
            let text = format!("{SEAL_PREFIX}{}", URL_SAFE_NO_PAD.encode(forged));
            assert!(key.open(event, "email", &text).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_claim_is_the_same_for_any_spelling_and_differs_with_the_master_key() {
        let claim = |keys: &Keyring, text: &str| {
            keys.email_claim_id(&EmailAddress::parse(text).unwrap())
                .to_string()
        };
        let (one, two) = (Keyring::for_test(1), Keyring::for_test(2));
        assert_eq!(
            claim(&one, "Ada@Example.com"),
            claim(&one, "ada@example.COM")
        );
        assert_ne!(
            claim(&one, "ada@example.com"),
            claim(&two, "ada@example.com")
        );
        assert_ne!(
            claim(&one, "ada@example.com"),
            claim(&one, "bob@example.com")
        );
    }

    #[test]
    fn the_parts_of_a_request_cannot_run_into_each_other() {
        let keys = Keyring::for_test(1);
        assert_ne!(
            keys.request_mac(&[b"ab", b"c"]),
            keys.request_mac(&[b"a", b"bc"])
        );
    }
}
