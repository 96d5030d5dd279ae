//! The input and output that a use case needs. Each port is the one home of its kind of effect: nothing
//! outside reads the clock, makes an identifier, hashes a password or touches a blob.

pub mod blobs;
pub mod clock;
pub mod http_client;
pub mod ids;
pub mod passwords;
pub mod program;
mod segments;
pub mod totp;
