//! `/v1/users`.

pub mod create;
pub mod view;
