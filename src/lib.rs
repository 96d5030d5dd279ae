//! Gatelog, the server: HTTP in, commands out, read models back.
//!
//! Every decision is an event in one log. `http` translates requests into commands and queries, `policies` follow
//! events, `ports` do what touches the world, `app` puts it together. No rule of the business is here; those are in
//! the crate `aggregates`.

pub mod accounts;
pub mod administration;
pub mod app;
pub mod archiving;
mod blob_locks;
pub mod cli;
pub mod config;
pub mod email_change;
pub mod erasure;
pub mod exports;
pub mod http;
pub mod idempotency;
pub mod keyring;
pub mod last_seen;
pub mod lifecycle;
pub mod links;
mod listener;
pub mod mail;
pub mod media_content;
pub mod media_store;
pub mod moving;
pub mod notary;
pub mod ocsf;
pub mod password_change;
pub mod password_reset;
pub mod pending_registration;
pub mod policies;
pub mod ports;
pub mod quota;
pub mod read_models;
pub mod revocation;
pub mod second_factor;
pub mod serve;
pub mod service_keys;
pub mod sign_in;
pub mod sign_ins;
pub mod sniff;
pub mod tails;
pub mod telemetry;
pub mod throttle;
pub mod token_check;
pub mod uploads;
pub mod webhooks;
pub mod workers;
