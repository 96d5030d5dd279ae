//! The pure domain: what may happen to users, e-mail claims, sessions, media, media jobs,
//! administrators, service keys, webhook sinks and ended sessions that are forgotten.
//!
//! Each aggregate is an enum of its life stages. Its `decide` takes a command that carries plain
//! facts and gives events or the reason for refusing; `apply` folds an event into the stage. An
//! event that does not belong to the present stage leaves it as it is, so every history folds.
//!
//! Nothing in this crate does I/O, reads a clock, draws a random number or starts a task: times,
//! ids and chance are arguments. No event carries a secret, and personal text only as
//! [`values::Sealed`].

pub mod administrators;
pub mod email_claim;
pub mod ended;
pub mod forgotten_sessions;
pub mod media;
pub mod media_job;
pub mod schema;
pub mod service_key;
pub mod session;
pub mod user;
pub mod values;
pub mod webhook_sink;

mod domain_event;
mod sink;
mod states;
mod upcasters;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;

pub use states::{KeptState, kept_states};
pub use upcasters::upcasters;

/// The type names of all events that this version of the domain knows, aggregate by aggregate.
pub fn all_event_types() -> Vec<&'static str> {
    [
        user::EVENT_TYPES,
        email_claim::EVENT_TYPES,
        session::EVENT_TYPES,
        media::EVENT_TYPES,
        media_job::EVENT_TYPES,
        administrators::EVENT_TYPES,
        service_key::EVENT_TYPES,
        webhook_sink::EVENT_TYPES,
        forgotten_sessions::EVENT_TYPES,
    ]
    .concat()
}
