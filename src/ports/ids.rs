//! Identifiers and randomness: the one place that makes them, from the operating system.

use aggregates::values::TokenHash;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The operating system gave no randomness. Nothing secret can be made then.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random number generator failed")]
pub struct NoRandomness;

/// A time-ordered identifier (`UUIDv7`, RFC 9562).
#[expect(
    clippy::disallowed_methods,
    reason = "this is the identifiers' one home"
)]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// `N` bytes of the operating system's randomness.
///
/// # Errors
/// The generator failed.
pub fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>, NoRandomness> {
    let mut bytes = Zeroizing::new([0_u8; N]);
    OsRng
        .try_fill_bytes(bytes.as_mut_slice())
        .map_err(|_| NoRandomness)?;
    Ok(bytes)
}

/// A number for jitter; zero when there is no randomness.
pub fn jitter() -> u64 {
    random_bytes::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A bearer token: 64 lower-case hexadecimal characters, 32 bytes of randomness. Only its hash is kept.
pub struct Token(Zeroizing<String>);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// The generator failed.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self(Zeroizing::new(hex::encode(
            random_bytes::<32>()?.as_slice(),
        ))))
    }

    /// The text that the client gets, once.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the log keeps.
    pub fn hash(&self) -> TokenHash {
        TokenHash::from_bytes(token_digest(self.expose()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Token(..)")
    }
}

/// SHA-256 of a token's text.
pub fn token_digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
