//! How often passwords may be guessed, how much a network may ask for without a token, and how often names change and
//! accounts are exported.

use super::{ConfigError, Source};

/// Limits. Failures beyond the free ones are followed by a delay that doubles.
#[derive(Debug, Clone, Copy)]
pub struct ThrottleConfig {
    /// Failures for one account from one network, with the token of one device, or in one session (default 10).
    pub free_per_device: i64,
    /// Failures for one account from everywhere, without the token of a device (default 20).
    pub free_per_account: i64,
    /// Failures from one network within an hour, without the token of a device (default 100).
    pub free_per_network: i64,
    /// The longest delay (default 15 minutes).
    pub max_delay_seconds: i64,
    /// Calls of one kind without a token, for one network within an hour (default 100).
    pub anonymous_per_hour: i64,
    /// Changes of their name that a person makes within an hour (default 20): each is an event, which stays for ever.
    pub name_changes_per_hour: i64,
    /// Times that a session gets new tokens within an hour (default 120), for the same reason.
    pub refreshes_per_hour: u32,
    /// Times that an account turns its second factor on, or makes recovery codes, within an hour (default 10).
    pub factor_changes_per_hour: u32,
    /// Exports of their account that a person makes within an hour (default 20): each may read the whole log.
    pub exports_per_hour: i64,
    /// Sessions that an account opens within an hour on one node (default 300).
    pub sign_ins_per_hour: u32,
}

impl ThrottleConfig {
    pub(super) fn load(source: &Source) -> Result<Self, ConfigError> {
        const MOST: i64 = 1_000_000;
        let free = |key, default| source.number(key, default, 1..=MOST);
        let events = |key, default: u32| source.number(key, default, 1..=1_000_000);
        Ok(Self {
            free_per_device: free("SIGN_IN_FREE_PER_DEVICE", 10)?,
            free_per_account: free("SIGN_IN_FREE_PER_ACCOUNT", 20)?,
            free_per_network: free("SIGN_IN_FREE_PER_NETWORK", 100)?,
            max_delay_seconds: source.number("SIGN_IN_MAX_DELAY", 900, 1..=86_400)?,
            anonymous_per_hour: free("ANONYMOUS_REQUESTS_PER_HOUR", 100)?,
            name_changes_per_hour: free("NAME_CHANGES_PER_HOUR", 20)?,
            exports_per_hour: free("EXPORTS_PER_HOUR", 20)?,
            refreshes_per_hour: events("REFRESHES_PER_HOUR", 120)?,
            factor_changes_per_hour: events("FACTOR_CHANGES_PER_HOUR", 10)?,
            sign_ins_per_hour: events("SIGN_INS_PER_HOUR", 300)?,
        })
    }
}
