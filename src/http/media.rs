//! `/v1/media`.

pub mod content;
pub mod create;
pub mod delete;
pub mod links;
pub mod list;
pub mod show;
pub mod view;
