//! What an attempt is counted against.

use std::net::IpAddr;

use aggregates::values::{EmailAddress, EmailClaimId, SessionId, UserId};
use chrono::{DateTime, TimeDelta, Utc};

use super::device::DeviceToken;
use super::table::{Counted, MOST_IN_A_ROW};
use crate::config::ThrottleConfig;
use crate::keyring::Keyring;
use crate::ports::clock::micros;

/// How long failures in a row are remembered after the last of them.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// How long failures of a network are, and those of an account from one network.
const REMEMBERED_OF_NETWORKS: TimeDelta = TimeDelta::hours(1);

/// Hashes at once of one account, from one network, from all of its devices or from all of its sessions.
const PLACES_OF_ONE: usize = 24;
/// Hashes at once of one network, behind which may be many people.
const PLACES_OF_A_NETWORK: usize = 32;

/// A counter that an attempt must pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// A keyed hash.
    pub subject: String,
    /// The account's label; empty for a network.
    pub account: String,
    /// Failures without a delay.
    pub free: i64,
    /// How long it is kept, from the first failure of a network and the last one of anything else.
    pub keeps_for: TimeDelta,
}

/// Whose password is tried, and from where.
#[derive(Debug)]
pub struct Trial {
    /// The account's claim; none when the address cannot be one.
    claim: Option<EmailClaimId>,
    account: String,
    from: From,
}

#[derive(Debug)]
enum From {
    /// Whoever signs in.
    Anywhere(Box<Anywhere>),
    /// Whoever has a session: its keyed hash.
    Session(String),
}

/// Keyed hashes, in the order in which their rows are locked.
#[derive(Debug)]
struct Anywhere {
    device: Option<Presented>,
    pair: String,
    account: String,
    network: String,
}

/// A token that whoever signs in has sent. It may be anybody's.
#[derive(Debug)]
struct Presented {
    token: DeviceToken,
    /// The keyed hash of this token.
    own: String,
    /// The keyed hash of all devices of the account.
    all: String,
}

impl Trial {
    /// Of whoever signs in with an address.
    pub fn sign_in(
        keyring: &Keyring,
        address: &str,
        email: Option<&EmailAddress>,
        ip: IpAddr,
        device: Option<DeviceToken>,
    ) -> Self {
        let claim = email.map(|email| keyring.email_claim_id(email));
        let account = claim.map_or_else(
            || keyring.throttle_mac(&[b"no address", address.as_bytes()]),
            |claim| claim.to_string(),
        );
        let network = network(ip);
        let device = device.map(|token| Presented {
            own: keyring.throttle_mac(&[b"device", account.as_bytes(), token.nonce()]),
            all: keyring.throttle_mac(&[b"devices", account.as_bytes()]),
            token,
        });
        let anywhere = Anywhere {
            device,
            pair: keyring.throttle_mac(&[b"pair", account.as_bytes(), &network]),
            account: keyring.throttle_mac(&[b"account", account.as_bytes()]),
            network: network_name(keyring, ip),
        };
        Self {
            claim,
            account,
            from: From::Anywhere(Box::new(anywhere)),
        }
    }

    /// Of whoever has a session and proves the password once more. Strangers cannot be in its way, and the holder of a
    /// stolen token has no more guesses than they.
    pub fn in_session(keyring: &Keyring, claim: EmailClaimId, session: SessionId) -> Self {
        let subject = keyring.throttle_mac(&[b"session", session.to_string().as_bytes()]);
        Self {
            claim: Some(claim),
            account: claim.to_string(),
            from: From::Session(subject),
        }
    }

    /// With whom the attempt shares the places in the queue of hashes, and how many they have at most: nobody alone can
    /// keep everybody else out of it.
    pub(super) fn crowds(&self, is_known: bool) -> Vec<(&str, usize)> {
        match &self.from {
            From::Session(_) => vec![(&self.account, PLACES_OF_ONE)],
            From::Anywhere(from) => match &from.device {
                Some(device) if is_known => vec![(&device.all, PLACES_OF_ONE)],
                _ => vec![
                    (&from.pair, PLACES_OF_ONE),
                    (&from.network, PLACES_OF_A_NETWORK),
                ],
            },
        }
    }

    pub(super) fn claim(&self) -> Option<EmailClaimId> {
        self.claim
    }

    /// Every counter that may matter.
    pub(super) fn subjects(&self) -> Vec<&str> {
        match &self.from {
            From::Session(subject) => vec![subject],
            From::Anywhere(from) => {
                let device = from.device.iter();
                let mut subjects: Vec<&str> = device
                    .flat_map(|device| [device.own.as_str(), device.all.as_str()])
                    .collect();
                subjects.extend([&from.pair, &from.account, &from.network].map(String::as_str));
                subjects
            }
        }
    }

    /// The account's own counter, if the trial has to do with it.
    pub(super) fn account(&self) -> Option<&str> {
        match &self.from {
            From::Anywhere(from) => Some(&from.account),
            From::Session(_) => None,
        }
    }

    /// Whether it comes from a device that signed in to this account before.
    pub(super) fn is_from_device_of(
        &self,
        keyring: &Keyring,
        user: Option<UserId>,
        now: DateTime<Utc>,
    ) -> bool {
        let device = self.device();
        device.is_some_and(|device| device.token.is_of(keyring, user, now))
    }

    /// Whether the account's devices have failed too often together, so that their tokens are worth nothing for now.
    pub(super) fn are_devices_spent(&self, rows: &[Counted], now: DateTime<Utc>) -> bool {
        let Some(device) = self.device() else {
            return false;
        };
        rows.iter()
            .any(|row| row.subject == device.all && row.blocked_until > micros(now))
    }

    fn device(&self) -> Option<&Presented> {
        match &self.from {
            From::Anywhere(from) => from.device.as_ref(),
            From::Session(_) => None,
        }
    }

    /// The counters that must be passed.
    pub(super) fn gates(&self, config: &ThrottleConfig, is_known: bool) -> Vec<Gate> {
        let of_account = |subject: &String, free, keeps_for| Gate {
            subject: subject.clone(),
            account: self.account.clone(),
            free,
            keeps_for,
        };
        let from = match &self.from {
            From::Anywhere(from) => from,
            From::Session(subject) => {
                return vec![of_account(subject, config.free_per_device, REMEMBERED)];
            }
        };
        match &from.device {
            Some(device) if is_known => vec![
                of_account(&device.own, config.free_per_device, REMEMBERED),
                of_account(&device.all, MOST_IN_A_ROW, REMEMBERED),
            ],
            _ => vec![
                of_account(&from.pair, config.free_per_device, REMEMBERED_OF_NETWORKS),
                of_account(&from.account, config.free_per_account, REMEMBERED),
                Gate {
                    subject: from.network.clone(),
                    account: String::new(),
                    free: config.free_per_network,
                    keeps_for: REMEMBERED_OF_NETWORKS,
                },
            ],
        }
    }
}

/// The name of a client's network, which does not tell the network to whoever has no key.
pub fn network_name(keyring: &Keyring, ip: IpAddr) -> String {
    keyring.throttle_mac(&[b"network", &network(ip)])
}

/// What counts as one network: an IPv4 address, or the 64 bits of an IPv6 address that a site has for itself.
pub fn network(ip: IpAddr) -> Vec<u8> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().into_iter().take(8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(address: &str, ip: &str) -> Trial {
        let email = EmailAddress::parse(address).ok();
        let keyring = Keyring::for_test(1);
        Trial::sign_in(&keyring, address, email.as_ref(), ip.parse().unwrap(), None)
    }

    fn subjects(address: &str, ip: &str) -> Vec<String> {
        let trial = trial(address, ip);
        trial.subjects().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_64_bits_of_an_ipv6_one() {
        let is_one = |a, b| subjects("ada@example.com", a)[2] == subjects("ada@example.com", b)[2];
        assert!(is_one("2001:db8:1:2::3", "2001:db8:1:2:ffff::9"));
        assert!(!is_one("2001:db8:1:2::3", "2001:db8:1:3::3"));
        assert!(is_one("203.0.113.9", "::ffff:203.0.113.9"));
        assert!(!is_one("203.0.113.9", "203.0.113.10"));
    }

    #[test]
    fn an_account_is_one_however_its_address_is_spelt() {
        let ip = "203.0.113.9";
        assert_eq!(
            subjects("Ada@Example.com", ip),
            subjects("ada@example.com", ip)
        );
        let (one, other) = (subjects("no address", ip), subjects("none either", ip));
        assert_ne!(one[1], other[1]);
        assert_eq!(one[2], other[2]);
    }

    #[test]
    fn no_counter_shows_what_it_counts() {
        let keyring = Keyring::for_test(1);
        let email = EmailAddress::parse("ada@example.com").ok();
        let device = DeviceToken::parse(&"5a".repeat(32));
        let ip = "203.0.113.9".parse().unwrap();
        let trial = Trial::sign_in(&keyring, "ada@example.com", email.as_ref(), ip, device);
        assert_eq!(trial.subjects().len(), 5);
        for subject in trial.subjects() {
            assert!(subject.len() == 64 && subject.chars().all(|c| c.is_ascii_hexdigit()));
        }
    }
}
