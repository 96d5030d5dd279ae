//! `/v1/admin/users`: the accounts of others.

pub mod disable;
pub mod enable;
pub mod erase;
pub mod list;
pub mod roles;
pub mod sessions;
pub mod show;
pub mod totp;
pub mod view;
