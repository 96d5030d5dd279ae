//! The worker's side: is this call signed with an active key, now, and for the first time?

use std::sync::{Mutex, PoisonError};

use hmac::Mac as _;

use super::nonces::{Nonces, Refused};
use super::signature::Signature;
use super::{Keys, SignedParts};

/// How far the two clocks may be apart, in seconds, either way.
pub const SKEW_SECONDS: i64 = 60;

/// Checks signatures and remembers nonces. One per worker process.
#[derive(Debug)]
pub struct Verifier {
    keys: Keys,
    nonces: Mutex<Nonces>,
}

/// Why a call was not let in. For the log; a caller only learns `unauthenticated` or, for
/// [`AuthError::TooManyCalls`], that it should come back later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("the signature header is missing or malformed")]
    Malformed,
    #[error("no key with this id is active")]
    UnknownKey,
    #[error("the signature does not match the call")]
    BadSignature,
    #[error("the signature is more than {SKEW_SECONDS} s away from this clock")]
    OutsideWindow,
    #[error("the nonce was used before")]
    Replayed,
    #[error("too many calls within the signature window")]
    TooManyCalls,
}

impl Verifier {
    pub fn new(keys: Keys) -> Self {
        Self {
            keys,
            nonces: Mutex::default(),
        }
    }

    /// Accepts the call once. The signature is compared in constant time, and before anything else
    /// about the call is believed.
    pub fn verify(&self, header: &str, parts: &SignedParts<'_>, now: i64) -> Result<(), AuthError> {
        let signature = Signature::parse(header).ok_or(AuthError::Malformed)?;
        let mac = self
            .keys
            .mac(signature.key_id)
            .ok_or(AuthError::UnknownKey)?;
        parts
            .feed(mac, signature.unix_seconds, signature.nonce)
            .verify_slice(&signature.mac)
            .map_err(|_| AuthError::BadSignature)?;
        if now.saturating_sub(signature.unix_seconds).saturating_abs() > SKEW_SECONDS {
            return Err(AuthError::OutsideWindow);
        }
        self.use_nonce(&signature, now)
    }

    fn use_nonce(&self, signature: &Signature<'_>, now: i64) -> Result<(), AuthError> {
        // Remembering from now, not from the caller's time, keeps the queue of expiries in order.
        let expires_at = now.saturating_add(2 * SKEW_SECONDS);
        let mut nonces = self.nonces.lock().unwrap_or_else(PoisonError::into_inner);
        nonces
            .insert(signature.nonce, now, expires_at)
            .map_err(|refused| match refused {
                Refused::Replayed => AuthError::Replayed,
                Refused::Full => AuthError::TooManyCalls,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Sha256Digest;

    const NOW: i64 = 1_700_000_000;
    const NONCE: &str = "00112233445566778899aabbccddeeff";

    fn keys(text: &str) -> Keys {
        Keys::parse(text).unwrap()
    }

    fn verifier() -> Verifier {
        Verifier::new(keys(
            "2:new-new-new-new-new-new-new-new-new,1:old-old-old-old-old-old-old-old-old",
        ))
    }

    fn parts() -> SignedParts<'static> {
        SignedParts {
            method: "POST",
            path_and_query: "/v1/drain?x=1",
            body_sha256: Sha256Digest::of(b"body"),
            content_length: 4,
        }
    }

    #[test]
    fn accepts_every_active_key_and_refuses_the_rest() {
        let cases = [
            ("2:new-new-new-new-new-new-new-new-new", Ok(())),
            ("1:old-old-old-old-old-old-old-old-old", Ok(())),
            (
                "1:new-new-new-new-new-new-new-new-new",
                Err(AuthError::BadSignature),
            ),
            (
                "3:new-new-new-new-new-new-new-new-new",
                Err(AuthError::UnknownKey),
            ),
        ];
        for (text, expected) in cases {
            let header = parts().sign(&keys(text), NOW, NONCE);
            assert_eq!(
                verifier().verify(&header, &parts(), NOW),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn every_signed_part_counts() {
        let header = parts().sign(&keys("2:new-new-new-new-new-new-new-new-new"), NOW, NONCE);
        let others = [
            SignedParts {
                method: "GET",
                ..parts()
            },
            SignedParts {
                path_and_query: "/v1/drain?x=2",
                ..parts()
            },
            SignedParts {
                body_sha256: Sha256Digest::of(b"else"),
                ..parts()
            },
            SignedParts {
                content_length: 5,
                ..parts()
            },
        ];
        for other in others {
            let refused = verifier().verify(&header, &other, NOW);
            assert_eq!(refused, Err(AuthError::BadSignature), "{other:?}");
        }
        let later = header.replace("t=1700000000", "t=1700000001");
        assert_eq!(
            verifier().verify(&later, &parts(), NOW),
            Err(AuthError::BadSignature)
        );
    }

    #[test]
    fn the_window_is_sixty_seconds_either_way() {
        let header = parts().sign(&keys("2:new-new-new-new-new-new-new-new-new"), NOW, NONCE);
        for (now, expected) in [
            (NOW - 61, Err(AuthError::OutsideWindow)),
            (NOW - 60, Ok(())),
            (NOW + 60, Ok(())),
            (NOW + 61, Err(AuthError::OutsideWindow)),
        ] {
            assert_eq!(
                verifier().verify(&header, &parts(), now),
                expected,
                "{}",
                now - NOW
            );
        }
    }

    #[test]
    fn a_call_cannot_be_replayed_while_its_signature_is_valid() {
        let verifier = verifier();
        // Signed by a clock that runs a minute ahead: valid for two minutes here.
        let header = parts().sign(
            &keys("2:new-new-new-new-new-new-new-new-new"),
            NOW + 60,
            NONCE,
        );
        assert_eq!(verifier.verify(&header, &parts(), NOW), Ok(()));
        for now in [NOW, NOW + 1, NOW + 120] {
            assert_eq!(
                verifier.verify(&header, &parts(), now),
                Err(AuthError::Replayed)
            );
        }
        assert_eq!(
            verifier.verify(&header, &parts(), NOW + 121),
            Err(AuthError::OutsideWindow)
        );
    }

    #[test]
    fn garbage_is_malformed() {
        for header in ["", "Bearer x", "t=1,kid=1", "\u{1F600}"] {
            assert_eq!(
                verifier().verify(header, &parts(), NOW),
                Err(AuthError::Malformed)
            );
        }
    }
}
