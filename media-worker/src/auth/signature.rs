//! The text that is signed and the header that carries the signature.

use hmac::{Hmac, Mac as _};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::Sha256;

use super::Keys;
use crate::api::Sha256Digest;

pub const AUTH_HEADER: &str = "x-mw-auth";
/// The SHA-256 of a streamed body, in hexadecimal, declared before the body is sent.
pub const CONTENT_SHA256_HEADER: &str = "x-content-sha256";

/// Longest header value that is looked at, in bytes.
const MAX_HEADER_BYTES: usize = 256;

/// What a signature covers, besides the time and the nonce.
#[derive(Debug, Clone, Copy)]
pub struct SignedParts<'a> {
    /// Upper case, for example `PUT`.
    pub method: &'a str,
    /// For example `/v1/jobs` or `/v1/jobs/…/events?after=3`.
    pub path_and_query: &'a str,
    pub body_sha256: Sha256Digest,
    /// Bytes; 0 for no body.
    pub content_length: u64,
}

impl SignedParts<'_> {
    /// The value of [`AUTH_HEADER`] for a call made at `unix_seconds`. `nonce` must be fresh.
    pub fn sign(&self, keys: &Keys, unix_seconds: i64, nonce: &str) -> String {
        let mac = self.feed(keys.signing_mac(), unix_seconds, nonce);
        let signature = hex::encode(mac.finalize().into_bytes());
        format!(
            "t={unix_seconds},kid={},n={nonce},v1={signature}",
            keys.signing_id()
        )
    }

    pub(super) fn feed(&self, mac: Hmac<Sha256>, unix_seconds: i64, nonce: &str) -> Hmac<Sha256> {
        let Self {
            method,
            path_and_query,
            body_sha256,
            content_length,
        } = self;
        let text = format!(
            "{method}\n{path_and_query}\n{unix_seconds}\n{nonce}\n{body_sha256}\n{content_length}"
        );
        mac.chain_update(text)
    }
}

/// 128 bits from the operating system, in hexadecimal.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn fresh_nonce() -> Result<String, rand::rand_core::OsError> {
    let mut bytes = [0; 16];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(hex::encode(bytes))
}

/// The parsed header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Signature<'a> {
    pub(super) unix_seconds: i64,
    pub(super) key_id: u8,
    pub(super) nonce: &'a str,
    pub(super) mac: [u8; 32],
}

impl<'a> Signature<'a> {
    /// `None` for anything but the exact four fields in their order.
    pub(super) fn parse(header: &'a str) -> Option<Self> {
        if header.len() > MAX_HEADER_BYTES {
            return None;
        }
        let mut fields = header.split(',');
        let unix_seconds = fields.next()?.strip_prefix("t=")?.parse().ok()?;
        let key_id = fields.next()?.strip_prefix("kid=")?.parse().ok()?;
        let nonce = fields
            .next()?
            .strip_prefix("n=")
            .filter(|nonce| is_nonce(nonce))?;
        let mut mac = [0; 32];
        hex::decode_to_slice(fields.next()?.strip_prefix("v1=")?, &mut mac).ok()?;
        fields.next().is_none().then_some(Self {
            unix_seconds,
            key_id,
            nonce,
            mac,
        })
    }
}

fn is_nonce(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_the_documented_text() {
        let keys = Keys::parse("3:0123456789abcdef0123456789abcdef").unwrap();
        let parts = SignedParts {
            method: "GET",
            path_and_query: "/v1/jobs",
            body_sha256: Sha256Digest::of(b""),
            content_length: 0,
        };
        // Computed with: printf 'GET\n/v1/jobs\n1700000000\n…\n<sha256 of nothing>\n0' | openssl
        // dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
        assert_eq!(
            parts.sign(&keys, 1_700_000_000, "00112233445566778899aabbccddeeff"),
            "t=1700000000,kid=3,n=00112233445566778899aabbccddeeff,v1=d89cafe92b32e3bfd5eb0b60ddcc8e2ca38854c7737efa6b5998bb3d8d06dbd2"
        );
    }

    #[test]
    fn parses_only_the_exact_form() {
        let mac = "ab".repeat(32);
        let good = format!("t=1,kid=2,n=00112233445566778899,v1={mac}");
        assert_eq!(Signature::parse(&good).unwrap().key_id, 2);
        for bad in [
            String::new(),
            format!("{good},x=1"),
            format!("kid=2,t=1,n=00112233445566778899,v1={mac}"),
            format!("t=1,kid=300,n=00112233445566778899,v1={mac}"),
            format!("t=1,kid=2,n=short,v1={mac}"),
            format!("t=1,kid=2,n=0011223344556677;;,v1={mac}"),
            format!("t=1,kid=2,n=00112233445566778899,v1={}", "ab".repeat(31)),
            format!("t=1,kid=2,n={},v1={mac}", "0".repeat(500)),
        ] {
            assert_eq!(Signature::parse(&bad), None, "{bad}");
        }
    }
}
