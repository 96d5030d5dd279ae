//! Signatures on every call between the server and the worker: HMAC-SHA256 (RFC 2104) in `X-MW-Auth`.
//!
//! `X-MW-Auth: t=<unix seconds>,kid=<key id>,n=<nonce>,v1=<hex>` over
//! `method LF path?query LF t LF nonce LF sha256(body) LF content-length`. A streamed body is signed by
//! its digest, declared up front in `X-Content-Sha256` and compared with what arrived.
//!
//! A secret never leaves this module: not in `Debug`, not in an error, not in a log line.

mod keys;
mod nonces;
mod signature;
mod verifier;

pub use keys::{Keys, KeysError};
pub use signature::{AUTH_HEADER, CONTENT_SHA256_HEADER, SignedParts, fresh_nonce};
pub use verifier::{AuthError, SKEW_SECONDS, Verifier};
