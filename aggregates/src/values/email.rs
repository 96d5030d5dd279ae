//! E-mail addresses, as people type them.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

/// RFC 5321, 4.5.3.1: a path of 256 octets with its two brackets.
const MAX_CHARS: usize = 254;
/// RFC 5321, 4.5.3.1.1.
const LOCAL_PART_MAX_BYTES: usize = 64;
/// RFC 1035, 2.3.4.
const LABEL_MAX_BYTES: usize = 63;

/// An address of sane syntax: RFC 5321 without quoted local parts and address literals, with
/// letters of any script (RFC 6531). Whether mail arrives there only a mail can tell; a domain
/// without a dot is allowed, because intranets have them. Personal, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Checks `text` and takes it as it is: a space around it is refused, not trimmed.
    ///
    /// # Errors
    /// `required`, `surrounding_space`, `too_long` or `invalid_email`.
    pub fn parse(text: &str) -> Result<Self, ValueError> {
        if text.trim().is_empty() {
            return Err(ValueError::new("required", "must not be empty"));
        }
        if text.trim() != text {
            return Err(ValueError::new(
                "surrounding_space",
                "must not begin or end with a space",
            ));
        }
        if text.chars().count() > MAX_CHARS {
            let message = format!("must have at most {MAX_CHARS} characters");
            return Err(ValueError::new("too_long", message));
        }
        match text.split_once('@') {
            Some((local, domain)) if is_local_part(local) && is_domain(domain) => {
                Ok(Self(text.to_owned()))
            }
            Some(_) | None => Err(ValueError::new(
                "invalid_email",
                "must be an e-mail address",
            )),
        }
    }

    /// The address as it was typed; mail goes there.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form in which two addresses are the same one: all lower case. RFC 5321 lets a local part
    /// be case-sensitive, but no mail service is, and people do not remember how they typed it.
    pub fn normalised(&self) -> String {
        self.0.to_lowercase()
    }
}

impl FromStr for EmailAddress {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(..)")
    }
}

/// RFC 5321's `Dot-string`.
fn is_local_part(text: &str) -> bool {
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(is_atom_char);
    text.len() <= LOCAL_PART_MAX_BYTES && text.split('.').all(is_atom)
}

fn is_atom_char(character: char) -> bool {
    character.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(character)
}

fn is_domain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_MAX_BYTES).contains(&text.len())
        && text
            .chars()
            .all(|character| character.is_alphanumeric() || character == '-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_and_unusual_addresses_are_taken_as_they_are() {
        for good in [
            "ann@example.com",
            "Ann.O'Brien+news@Mail.Example.co.uk",
            "a@b",
            "root@localhost",
            "用户@例子.公司",
            "x_y-z@xn--fsqu00a.example",
            "1@1.example",
        ] {
            assert_eq!(EmailAddress::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bad in [
            "ann",
            "@example.com",
            "ann@",
            "ann@@example.com",
            "ann@exa mple.com",
            "an n@example.com",
            "ann@example..com",
            "ann@.example.com",
            "ann@example.com.",
            ".ann@example.com",
            "ann.@example.com",
            "a..b@example.com",
            "ann@-example.com",
            "ann@example-.com",
            "ann@example.com,bob@example.com",
            "Ann <ann@example.com>",
            "\"a b\"@example.com",
            "ann@[127.0.0.1]",
            "ann@example.com\r\nBcc:x@y",
            "a\0b@example.com",
        ] {
            assert_eq!(
                EmailAddress::parse(bad).unwrap_err().code,
                "invalid_email",
                "{bad:?}"
            );
        }
    }

    #[test]
    fn an_address_is_present_unpadded_and_at_most_254_characters_long() {
        let code = |text: &str| EmailAddress::parse(text).unwrap_err().code;
        assert_eq!(code(""), "required");
        assert_eq!(code(" ann@example.com"), "surrounding_space");
        assert_eq!(code("ann@example.com\n"), "surrounding_space");
        let with_top_label = |length: usize| {
            let (local, label) = ("l".repeat(64), "d".repeat(61));
            format!("{local}@{label}.{label}.{label}.{}", "e".repeat(length))
        };
        assert_eq!(with_top_label(3).len(), 254);
        assert!(EmailAddress::parse(&with_top_label(3)).is_ok());
        assert_eq!(code(&with_top_label(4)), "too_long");
    }

    #[test]
    fn a_local_part_has_at_most_64_bytes_and_a_label_at_most_63() {
        let is_address = |local: usize, label: usize| {
            let text = format!("{}@{}.example", "l".repeat(local), "d".repeat(label));
            EmailAddress::parse(&text).is_ok()
        };
        assert!(is_address(64, 63));
        assert!(!is_address(65, 63));
        assert!(!is_address(64, 64));
    }

    #[test]
    fn case_does_not_tell_two_addresses_apart() {
        let normalised = |text: &str| EmailAddress::parse(text).unwrap().normalised();
        assert_eq!(normalised("Ann@Example.COM"), normalised("aNN@example.com"));
        assert_ne!(
            normalised("ann@example.com"),
            normalised("a.nn@example.com")
        );
    }

    #[test]
    fn debug_does_not_show_the_address() {
        let address = EmailAddress::parse("ann@example.com").unwrap();
        assert_eq!(format!("{address:?}"), "EmailAddress(..)");
    }
}
