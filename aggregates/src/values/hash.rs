//! SHA-256 values as 64 lower-case hexadecimal characters.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ValueError;

macro_rules! hash {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(inline, extend("pattern" = "^[0-9a-f]{64}$"))]
        pub struct $name(String);

        impl $name {
            /// The hash of these 32 bytes.
            pub fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(encode(bytes))
            }

            /// The 32 bytes.
            pub fn to_bytes(&self) -> [u8; 32] {
                decode(&self.0)
            }

            /// 64 lower-case hexadecimal characters.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = ValueError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.to_owned().try_into()
            }
        }

        impl From<$name> for String {
            fn from(hash: $name) -> Self {
                hash.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

hash! {
    /// The SHA-256 of a token. The token itself is nowhere in the domain.
    TokenHash
}
hash! {
    /// The SHA-256 of a file's content.
    Sha256Hex
}

const DIGITS: &[char; 16] = &[
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
];

fn check(text: &str) -> Result<(), ValueError> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() == 64 && text.bytes().all(is_digit) {
        return Ok(());
    }
    Err(ValueError::new(
        "invalid_hash",
        "must be 64 lower-case hexadecimal characters",
    ))
}

fn encode(bytes: [u8; 32]) -> String {
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)])
        .collect()
}

/// `text` has passed [`check`].
fn decode(text: &str) -> [u8; 32] {
    let value = |byte: u8| {
        if byte.is_ascii_digit() {
            byte - b'0'
        } else {
            byte - b'a' + 10
        }
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = pair
            .iter()
            .fold(0, |high, digit| (high << 4) | value(*digit));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_say_the_same() {
        let mut bytes = [0; 32];
        bytes
            .iter_mut()
            .zip(0_u8..)
            .for_each(|(byte, n)| *byte = n.wrapping_mul(37));
        let hash = TokenHash::from_bytes(bytes);
        assert!(hash.as_str().starts_with("00254a6f94b9de"));
        assert_eq!(hash.to_bytes(), bytes);
        assert_eq!(hash.as_str().parse(), Ok(hash));
    }

    #[test]
    fn anything_but_64_lower_case_digits_is_refused() {
        for bad in [
            "",
            "ab",
            &"A".repeat(64),
            &"g".repeat(64),
            &"a".repeat(65),
            &"é".repeat(32),
        ] {
            assert_eq!(
                bad.parse::<Sha256Hex>().unwrap_err().code,
                "invalid_hash",
                "{bad}"
            );
            assert!(
                serde_json::from_value::<TokenHash>((*bad).into()).is_err(),
                "{bad}"
            );
        }
    }
}
