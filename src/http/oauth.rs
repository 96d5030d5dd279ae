//! `/v1/oauth`: token introspection (RFC 7662) and revocation (RFC 7009), for services with a key.
//!
//! Errors are problem+json as everywhere, with the code of RFC 6749, section 5.2, in the member `error`, where clients
//! of OAuth look for it.

pub mod client;
mod form;
pub mod introspect;
pub mod revoke;
