//! `/v1/sessions`.

pub mod create;
pub mod list;
pub mod reauthenticate;
pub mod revoke;
pub mod second_factor;
pub mod show;
pub mod signed_in;
pub mod view;
