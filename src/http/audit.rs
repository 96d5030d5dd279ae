//! `/v1/audit`.

pub mod events;
