//! `/v1/admin/webhooks`: to whom the log is sent.

pub mod act;
pub mod create;
pub mod list;
pub mod secret;
pub mod show;
pub mod view;
