//! The read models, one file each: its table, how events change it, its queries.
//!
//! A projection is a pure function from an event to changes; the log applies them, in the append's own
//! transaction ([`inline`]) or behind a checkpoint ([`tails`]). Every table can be rebuilt from zero. Personal
//! text stays sealed here as it is in the events; whoever shows it opens it. Nothing here decides anything.

pub mod activity;
pub mod email_claims;
pub mod media;
pub mod media_jobs;
pub mod page;
pub mod personal_events;
pub mod service_keys;
pub mod sessions;
pub mod spent_refresh_tokens;
mod support;
pub mod users;
pub mod webhook_sinks;

use std::sync::Arc;

use eventlog::Projection;

/// What must be true at the moment of the commit: claims on addresses, accounts, live sessions and tokens,
/// service keys, webhook sinks.
pub fn inline() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(email_claims::EmailClaims),
        Arc::new(users::Users),
        Arc::new(sessions::Sessions),
        Arc::new(spent_refresh_tokens::SpentRefreshTokens),
        Arc::new(service_keys::ServiceKeys),
        Arc::new(webhook_sinks::WebhookSinks),
    ]
}

/// Everything else: read models that follow the log.
pub fn tails() -> Vec<Arc<dyn Projection>> {
    vec![Arc::new(media::MediaFiles), Arc::new(media_jobs::MediaJobs)]
}
