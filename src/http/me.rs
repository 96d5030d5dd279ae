//! `/v1/me`.

pub mod password;
pub mod show;
pub mod update;
