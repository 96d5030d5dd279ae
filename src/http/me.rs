//! `/v1/me`.

pub mod activity;
pub mod deletion;
pub mod email;
pub mod export;
pub mod password;
pub mod show;
pub mod totp;
pub mod update;
pub mod usage;
