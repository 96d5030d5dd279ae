//! `/v1/audit`.

pub mod events;
pub mod live;
pub mod log;
pub mod rollbacks;
