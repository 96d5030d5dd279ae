//! Where a webhook may go: never into this machine, its network or a cloud's metadata, whatever a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// The longest address of a receiver.
const URL_BYTES_MAX: usize = 2048;

/// Why nothing is sent to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// Not an address of the web.
    #[error("must be an https URL without user, password and fragment")]
    Url,
    /// Only https; http on loopback when the setting allows it.
    #[error("must be https")]
    Insecure,
    /// An address that is not of the public internet.
    #[error("must not lead to a private, local or reserved address")]
    NotPublic,
}

/// The address of a receiver, as far as it can be checked without looking its name up.
///
/// # Errors
/// See [`BadAddress`].
pub fn check_url(text: &str, allow_private: bool) -> Result<Url, BadAddress> {
    if text.len() > URL_BYTES_MAX {
        return Err(BadAddress::Url);
    }
    let url = Url::parse(text).map_err(|_| BadAddress::Url)?;
    let is_bare = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    let host = url.host().ok_or(BadAddress::Url)?;
    if !is_bare || url.port() == Some(0) {
        return Err(BadAddress::Url);
    }
    let is_https = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return Err(BadAddress::Url),
    };
    let literal = match host {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        Host::Domain(_) => None,
    };
    if !is_https && !allow_private {
        return Err(BadAddress::Insecure);
    }
    if let Some(ip) = literal {
        check_ip(ip, is_https, allow_private)?;
    }
    Ok(url)
}

/// Of the addresses that a name has, those that may be connected to.
///
/// # Errors
/// None may.
pub fn allowed(
    found: impl Iterator<Item = SocketAddr>,
    is_https: bool,
    allow_private: bool,
) -> Result<Vec<SocketAddr>, BadAddress> {
    let mut refused = BadAddress::NotPublic;
    let mut good = Vec::new();
    for address in found {
        match check_ip(address.ip(), is_https, allow_private) {
            Ok(()) => good.push(address),
            Err(error) => refused = error,
        }
    }
    if good.is_empty() {
        Err(refused)
    } else {
        Ok(good)
    }
}

fn check_ip(ip: IpAddr, is_https: bool, allow_private: bool) -> Result<(), BadAddress> {
    let ip = ip.to_canonical();
    let may_be_clear = allow_private && ip.is_loopback();
    if !is_https && !may_be_clear {
        return Err(BadAddress::Insecure);
    }
    let is_inside = match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    };
    if is_public(ip) || (allow_private && is_inside) {
        return Ok(());
    }
    Err(BadAddress::NotPublic)
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

/// What the IANA's registry of special-purpose addresses does not list (RFC 6890).
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    !(ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19)))
}

/// Global unicast without documentation and without what carries an IPv4 address in it.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_special = (first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        || first == 0x2002
        || (first == 0x3fff && second < 0x1000);
    is_global && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_into_the_public_internet_is_taken() {
        for good in [
            "https://hooks.example.com/a?b=c",
            "https://example.com:8443/",
            "https://93.184.216.34/",
            "https://[2606:2800:220:1::1]/",
        ] {
            assert!(check_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "ftp://example.com",
            "file:///etc/passwd",
            "http://example.com",
            "https://",
            "https://user@example.com",
            "https://:pw@example.com",
            "https://example.com/#x",
            "https://example.com:0/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://10.0.0.1/",
            "https://172.16.0.1/",
            "https://192.168.1.1/",
            "https://169.254.169.254/",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://255.255.255.255/",
            "https://224.0.0.1/",
            "https://198.18.0.1/",
            "https://192.0.2.1/",
            "https://[::1]/",
            "https://[::]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:169.254.169.254]/",
            "https://[fe80::1]/",
            "https://[fc00::1]/",
            "https://[fd00:ec2::254]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:db8::1]/",
            "https://[ff02::1]/",
            "https://[2001::1]/",
        ] {
            assert!(check_url(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_setting_lets_into_private_networks_and_in_clear_only_to_loopback() {
        for good in [
            "http://127.0.0.1:9/",
            "http://[::1]/",
            "https://10.0.0.1/",
            "https://[fd00::1]/",
        ] {
            assert!(check_url(good, true).is_ok(), "{good}");
        }
        for bad in [
            "http://10.0.0.1/",
            "http://93.184.216.34/",
            "https://169.254.169.254/",
            "https://0.0.0.0/",
        ] {
            assert!(check_url(bad, true).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_judged_by_what_it_resolves_to() {
        let addresses = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = addresses(&["127.0.0.1:443", "93.184.216.34:443", "[::1]:443"]);
        let good = allowed(mixed.into_iter(), true, false).unwrap();
        assert_eq!(good, addresses(&["93.184.216.34:443"]));
        let inside = addresses(&["169.254.169.254:80", "10.0.0.1:80"]);
        assert_eq!(
            allowed(inside.clone().into_iter(), true, false),
            Err(BadAddress::NotPublic)
        );
        assert_eq!(
            allowed(inside.into_iter(), false, true),
            Err(BadAddress::Insecure)
        );
        assert!(allowed(std::iter::empty(), true, false).is_err());
    }
}
