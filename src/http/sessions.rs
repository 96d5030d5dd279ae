//! `/v1/sessions`.

pub mod create;
pub mod list;
pub mod reauthenticate;
pub mod revoke;
pub mod show;
pub mod view;
