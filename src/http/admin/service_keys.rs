//! `/v1/admin/service-keys`: keys with which services call.

pub mod create;
pub mod list;
pub mod revoke;
pub mod view;
