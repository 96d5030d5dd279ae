//! `/v1/me`.

pub mod activity;
pub mod deletion;
pub mod export;
pub mod password;
pub mod show;
pub mod totp;
pub mod update;
