//! Signatures as Standard Webhooks (<https://www.standardwebhooks.com>) has them: HMAC-SHA256 over identifier, time and
//! body, so that a receiver knows who sent what, and that it is not an old request again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::ports::ids::{self, NoRandomness};

/// What every secret's text begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret; the specification takes 24 to 64.
const SECRET_BYTES: usize = 32;

/// The secret that a sink's requests are signed with.
pub struct WebhookSecret(Zeroizing<Vec<u8>>);

impl WebhookSecret {
    /// A new one.
    ///
    /// # Errors
    /// The operating system gave no randomness.
    pub fn generate() -> Result<Self, NoRandomness> {
        let bytes = ids::random_bytes::<SECRET_BYTES>()?;
        Ok(Self(Zeroizing::new(bytes.to_vec())))
    }

    /// One from the vault.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Its bytes; for the vault only.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text that the receiver gets, once.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(self.bytes())))
    }

    /// The signature of a message, with its version.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        // A key of any length is taken.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            return String::new();
        };
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WebhookSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let secret = WebhookSecret::from_bytes(Zeroizing::new(key));
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        let signature = secret.sign(id, 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(
            secret.text().as_str(),
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        );
    }

    #[test]
    fn no_two_secrets_are_alike_and_none_is_shown_by_debug() {
        let (one, two) = (
            WebhookSecret::generate().unwrap(),
            WebhookSecret::generate().unwrap(),
        );
        assert_ne!(one.bytes(), two.bytes());
        assert_eq!(format!("{one:?}"), "WebhookSecret(..)");
    }
}
