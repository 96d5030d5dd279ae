//! From where each person signed in before: a keyed hash of what the device is and of its network, under the person's
//! own key, so that it tells nothing without that.

use std::net::IpAddr;

use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Question, Statement, Value};
use projections::sessions::SessionRow;

use super::{MailError, Person};
use crate::keyring::PersonKey;
use crate::ports::clock::micros;

/// Devices of one person that are remembered; the newest stay.
const REMEMBERED: i64 = 50;
/// What was seen within this time is not written down again.
const LATELY: TimeDelta = TimeDelta::hours(1);

/// What a session was opened with.
#[derive(Debug)]
pub struct Device {
    /// In words.
    pub text: String,
    /// The address, in words.
    pub ip: String,
    /// What it is recognised by.
    pub fingerprint: String,
    /// What a registration from the same network is recognised by.
    pub registration: String,
}

/// The device of a session.
///
/// # Errors
/// The session's texts do not open.
pub fn of_session(person: &Person, row: &SessionRow) -> Result<Device, MailError> {
    let open = |field: &str, sealed: &Option<String>| {
        let open = |text: &String| person.key.open(row.start_event_id, field, text);
        sealed.as_ref().map(open).transpose()
    };
    let text = described(open("user_agent", &row.user_agent)?.as_deref());
    let ip = open("ip", &row.ip)?;
    let network = ip.as_deref().map(network).unwrap_or_default();
    let parts = [b"device".as_slice(), text.as_bytes(), network.as_bytes()];
    Ok(Device {
        fingerprint: person.key.fingerprint(&parts),
        registration: registration(&person.key, &network),
        ip: ip.unwrap_or_else(|| "unknown".to_owned()),
        text,
    })
}

fn registration(key: &PersonKey, network: &str) -> String {
    key.fingerprint(&[b"registration".as_slice(), network.as_bytes()])
}

/// What remembers from where a person registered themselves, so that their first sign-in is no news to them. Whoever has
/// an account that was made for them has no such memory.
pub fn remember_registration(
    key: &PersonKey,
    user: UserId,
    ip: IpAddr,
    at: DateTime<Utc>,
) -> Vec<Statement> {
    let network = network(&ip.to_canonical().to_string());
    remember(user, &registration(key, &network), at)
}

fn described(user_agent: Option<&str>) -> String {
    let parsed = user_agent.and_then(|text| woothee::parser::Parser::new().parse(text));
    let known = |text: &str| text != "UNKNOWN" && !text.is_empty();
    match parsed {
        Some(agent) if known(agent.name) && known(agent.os) => {
            format!("{} on {}", agent.name, agent.os)
        }
        Some(agent) if known(agent.name) => agent.name.to_owned(),
        _ => "unknown".to_owned(),
    }
}

/// The network that an address is of: /24 or /64.
fn network(ip: &str) -> String {
    match ip.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}")
        }
        Ok(IpAddr::V6(ip)) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        Err(_) => String::new(),
    }
}

/// How a device was seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Never: it is the first sign-in of a person who has registered themselves from the same network.
    First,
    /// On others only, or nowhere.
    Not,
    /// A while ago.
    Before,
    /// So lately that it need not be remembered anew.
    Lately,
}

/// A device that is remembered: what it is recognised by, and when it was seen, in microseconds.
pub type Remembered = (String, i64);

/// The devices of a person that are remembered.
pub fn remembered(user: UserId) -> Question<Vec<Remembered>> {
    const SQL: &str = "SELECT fingerprint, seen_at FROM seen_devices WHERE user_id = $1";
    Question::new(SQL, vec![user.to_string().into()], |rows| {
        rows.iter()
            .map(|row| Ok((row.text(0)?, row.int(1)?)))
            .collect()
    })
}

/// How the person of these devices signed in before `at` with this one.
pub fn seen(devices: &[Remembered], device: &Device, at: DateTime<Utc>) -> Seen {
    if let [(only, _)] = devices
        && *only == device.registration
    {
        return Seen::First;
    }
    let this = devices
        .iter()
        .find(|(known, _)| *known == device.fingerprint);
    match this {
        None => Seen::Not,
        Some((_, seen_at)) if *seen_at > micros(at - LATELY) => Seen::Lately,
        Some(_) => Seen::Before,
    }
}

/// What remembers a device, and forgets the oldest.
pub fn remember(user: UserId, fingerprint: &str, at: DateTime<Utc>) -> Vec<Statement> {
    const INSERT: &str = "INSERT INTO seen_devices (user_id, fingerprint, seen_at) VALUES ($1, $2, $3) \
        ON CONFLICT (user_id, fingerprint) DO UPDATE SET seen_at = excluded.seen_at";
    const KEEP: &str = "DELETE FROM seen_devices WHERE user_id = $1 AND fingerprint NOT IN \
        (SELECT fingerprint FROM seen_devices WHERE user_id = $2 ORDER BY seen_at DESC LIMIT $3)";
    let user: Value = user.to_string().into();
    let row = vec![user.clone(), fingerprint.into(), micros(at).into()];
    let keep = vec![user.clone(), user, REMEMBERED.into()];
    vec![(INSERT.into(), row), (KEEP.into(), keep)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_its_browser_system_and_network() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        assert_eq!(described(Some(firefox)), "Firefox on Linux");
        assert_eq!(described(Some("nonsense")), "unknown");
        assert_eq!(network("192.0.2.77"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.77"), network("192.0.3.77"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
    }

    #[test]
    fn only_a_registration_from_the_same_network_makes_a_first_sign_in_no_news() {
        let device = Device {
            text: String::new(),
            ip: String::new(),
            fingerprint: "device".to_owned(),
            registration: "here".to_owned(),
        };
        let at = DateTime::UNIX_EPOCH;
        let known = |names: &[&str]| -> Vec<Remembered> {
            let old = micros(at - LATELY);
            names.iter().map(|name| ((*name).to_owned(), old)).collect()
        };
        let seen = |names: &[&str]| seen(&known(names), &device, at);
        assert_eq!(seen(&["here"]), Seen::First);
        assert_eq!(seen(&[]), Seen::Not, "nobody has registered themselves");
        assert_eq!(seen(&["there"]), Seen::Not, "from elsewhere");
        assert_eq!(seen(&["here", "another"]), Seen::Not);
        assert_eq!(seen(&["here", "device"]), Seen::Before);
    }
}
