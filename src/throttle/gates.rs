//! What an attempt is counted against.

use std::net::IpAddr;

use aggregates::values::{EmailAddress, EmailClaimId, SessionId};
use chrono::{DateTime, TimeDelta, Utc};

use super::table::Counted;
use crate::config::ThrottleConfig;
use crate::keyring::Keyring;
use crate::ports::clock::micros;

/// For how long a network is known to an account after a sign-in from it.
pub const KNOWN_FOR: TimeDelta = TimeDelta::days(90);
/// How long failures in a row are remembered after the last of them.
const REMEMBERED: TimeDelta = TimeDelta::hours(24);
/// How long failures of a network are, and those of an account from a network that it does not know.
const REMEMBERED_OF_STRANGERS: TimeDelta = TimeDelta::hours(1);

/// Hashes at once of one account, from one network or from all of its sessions.
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
    /// Whoever signs in: keyed hashes of the pair, the account and the network, in the order in which they are locked.
    Network([String; 3]),
    /// Whoever has a session: its keyed hash.
    Session(String),
}

impl Trial {
    /// Of whoever signs in with an address.
    pub fn sign_in(
        keyring: &Keyring,
        address: &str,
        email: Option<&EmailAddress>,
        ip: IpAddr,
    ) -> Self {
        let claim = email.map(|email| keyring.email_claim_id(email));
        let account = claim.map_or_else(
            || keyring.throttle_mac(&[b"no address", address.as_bytes()]),
            |claim| claim.to_string(),
        );
        let network = network(ip);
        let subjects = [
            pair(keyring, &account, &network),
            keyring.throttle_mac(&[b"account", account.as_bytes()]),
            keyring.throttle_mac(&[b"network", &network]),
        ];
        Self {
            claim,
            account,
            from: From::Network(subjects),
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
    pub fn crowds(&self) -> Vec<(&str, usize)> {
        match &self.from {
            From::Network([pair, _, network]) => {
                vec![(pair, PLACES_OF_ONE), (network, PLACES_OF_A_NETWORK)]
            }
            From::Session(_) => vec![(&self.account, PLACES_OF_ONE)],
        }
    }

    pub(super) fn claim(&self) -> Option<EmailClaimId> {
        self.claim
    }

    /// Every counter that may matter.
    pub(super) fn subjects(&self) -> Vec<&str> {
        match &self.from {
            From::Network(subjects) => subjects.iter().map(String::as_str).collect(),
            From::Session(subject) => vec![subject],
        }
    }

    /// What a sign-in makes known: the pair, if it is one.
    pub(super) fn pair(&self) -> Option<&str> {
        match &self.from {
            From::Network([pair, _, _]) => Some(pair),
            From::Session(_) => None,
        }
    }

    /// The account's own counter, if the trial has to do with it.
    pub(super) fn account(&self) -> Option<&str> {
        match &self.from {
            From::Network([_, account, _]) => Some(account),
            From::Session(_) => None,
        }
    }

    /// Whether the row says that the network is known to the account.
    pub(super) fn is_known(&self, row: &Counted, now: DateTime<Utc>) -> bool {
        self.pair() == Some(row.subject.as_str()) && row.known_until > micros(now)
    }

    /// The counters that must be passed.
    pub(super) fn gates(&self, config: &ThrottleConfig, is_known: bool) -> Vec<Gate> {
        let of_account = |subject: &String, free, keeps_for| Gate {
            subject: subject.clone(),
            account: self.account.clone(),
            free,
            keeps_for,
        };
        match &self.from {
            From::Session(subject) => {
                vec![of_account(subject, config.free_per_device, REMEMBERED)]
            }
            From::Network([pair, _, _]) if is_known => {
                vec![of_account(pair, config.free_per_device, REMEMBERED)]
            }
            From::Network([pair, account, network]) => vec![
                of_account(pair, config.free_per_device, REMEMBERED_OF_STRANGERS),
                of_account(account, config.free_per_account, REMEMBERED),
                Gate {
                    subject: network.clone(),
                    account: String::new(),
                    free: config.free_per_network,
                    keeps_for: REMEMBERED_OF_STRANGERS,
                },
            ],
        }
    }
}

/// The counter of an account from one network.
pub(super) fn pair_of(
    keyring: &Keyring,
    claim: EmailClaimId,
    ip: IpAddr,
    config: &ThrottleConfig,
) -> Gate {
    let account = claim.to_string();
    Gate {
        subject: pair(keyring, &account, &network(ip)),
        account,
        free: config.free_per_device,
        keeps_for: REMEMBERED,
    }
}

fn pair(keyring: &Keyring, account: &str, network: &[u8]) -> String {
    keyring.throttle_mac(&[b"pair", account.as_bytes(), network])
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
        Trial::sign_in(&keyring, address, email.as_ref(), ip.parse().unwrap())
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
        for subject in subjects("ada@example.com", "203.0.113.9") {
            assert!(subject.len() == 64 && subject.chars().all(|c| c.is_ascii_hexdigit()));
        }
    }
}
