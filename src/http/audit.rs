//! `/v1/audit`.

pub mod events;
pub mod live;
