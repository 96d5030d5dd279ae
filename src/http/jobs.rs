//! `/v1/jobs` and `/v1/media/{id}/jobs`.

pub mod cancel;
pub mod create;
pub mod events;
pub mod list;
pub mod output;
mod room;
pub mod show;
pub mod view;
