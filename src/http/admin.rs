//! `/v1/admin`: for accounts with the role `admin`. Every write needs a recent proof of identity and is an event with
//! the administrator as its actor.

pub mod service_keys;
pub mod sessions;
pub mod users;
pub mod webhooks;
