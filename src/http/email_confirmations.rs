//! `/v1/email-confirmations`.

pub mod create;
