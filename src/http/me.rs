//! `/v1/me`.

pub mod password;
pub mod show;
pub mod totp;
pub mod update;
