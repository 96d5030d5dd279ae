//! Tokens by which a device is known that signed in before: so that strangers cannot lock its owner out of it.
//!
//! Nothing is stored for one. It is 32 bytes: 12 of chance, the second in which it was made (4), and 16 of a MAC over
//! both and the account. It proves that somebody signed in to the account, and opens nothing: its bearer has guesses of
//! their own, no more. It never prints.

use aggregates::values::UserId;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::keyring::Keyring;
use crate::ports::ids::{self, NoRandomness};

/// How long a token is good.
const LIFE: TimeDelta = TimeDelta::days(90);

const BYTES: usize = NONCE_BYTES + TIME_BYTES + TAG_BYTES;
const NONCE_BYTES: usize = 12;
const TIME_BYTES: usize = 4;
const TAG_BYTES: usize = 16;

/// A token as it was made, or as somebody sent it.
pub struct DeviceToken {
    nonce: [u8; NONCE_BYTES],
    issued_at: [u8; TIME_BYTES],
    tag: [u8; TAG_BYTES],
}

impl std::fmt::Debug for DeviceToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("DeviceToken(..)")
    }
}

impl DeviceToken {
    /// A new one, for who has just signed in to the account.
    ///
    /// # Errors
    /// No randomness.
    pub fn issue(
        keyring: &Keyring,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<Self, NoRandomness> {
        let nonce = *ids::random_bytes::<NONCE_BYTES>()?;
        let issued_at = u32::try_from(now.timestamp()).unwrap_or(u32::MAX);
        let issued_at = issued_at.to_be_bytes();
        let mac = keyring.device_token_mac(&[user.to_string().as_bytes(), &nonce, &issued_at]);
        let mut tag = [0; TAG_BYTES];
        tag.iter_mut().zip(mac).for_each(|(to, from)| *to = from);
        Ok(Self {
            nonce,
            issued_at,
            tag,
        })
    }

    /// What somebody sent; none unless it is 64 hexadecimal characters. Whether it is good is another question.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0_u8; BYTES]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).ok()?;
        let (nonce, rest) = bytes.split_first_chunk()?;
        let (issued_at, tag) = rest.split_first_chunk()?;
        Some(Self {
            nonce: *nonce,
            issued_at: *issued_at,
            tag: tag.try_into().ok()?,
        })
    }

    /// As it is shown, once.
    pub fn expose(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([&self.nonce[..], &self.issued_at, &self.tag].concat());
        Zeroizing::new(hex::encode(bytes.as_slice()))
    }

    /// Whether it was made for this account, and not too long ago. It takes as long where there is no account.
    pub(super) fn is_of(
        &self,
        keyring: &Keyring,
        user: Option<UserId>,
        now: DateTime<Utc>,
    ) -> bool {
        let owner = user.unwrap_or(UserId(Uuid::nil()));
        let owner = owner.to_string();
        let parts: [&[u8]; 3] = [owner.as_bytes(), &self.nonce, &self.issued_at];
        let is_genuine = keyring.is_device_token_mac(&parts, &self.tag);
        let age = now.timestamp() - i64::from(u32::from_be_bytes(self.issued_at));
        is_genuine && user.is_some() && age < LIFE.num_seconds()
    }

    /// What tells it from others.
    pub(super) fn nonce(&self) -> &[u8] {
        &self.nonce
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap() + TimeDelta::days(days)
    }

    fn user(number: u128) -> UserId {
        UserId(Uuid::from_u128(number))
    }

    #[test]
    fn a_token_is_good_for_its_account_under_its_key_for_ninety_days() {
        let (keys, others) = (Keyring::for_test(1), Keyring::for_test(2));
        let made = DeviceToken::issue(&keys, user(1), at(0)).unwrap();
        let token = DeviceToken::parse(&made.expose()).unwrap();
        assert!(token.is_of(&keys, Some(user(1)), at(0)));
        assert!(token.is_of(&keys, Some(user(1)), at(89)));
        assert!(!token.is_of(&keys, Some(user(1)), at(90)));
        assert!(!token.is_of(&keys, Some(user(2)), at(0)));
        assert!(!token.is_of(&others, Some(user(1)), at(0)));
        assert!(!token.is_of(&keys, None, at(0)));
        let nobodys = DeviceToken::issue(&keys, UserId(Uuid::nil()), at(0)).unwrap();
        assert!(!nobodys.is_of(&keys, None, at(0)));
    }

    #[test]
    fn no_changed_byte_of_a_token_goes_unnoticed() {
        let keys = Keyring::for_test(1);
        let text = DeviceToken::issue(&keys, user(1), at(0)).unwrap().expose();
        let bytes = hex::decode(text.as_str()).unwrap();
        for place in 0..BYTES {
            let mut forged = bytes.clone();
            forged[place] ^= 1;
            let forged = DeviceToken::parse(&hex::encode(forged)).unwrap();
            assert!(!forged.is_of(&keys, Some(user(1)), at(0)), "byte {place}");
        }
    }

    #[test]
    fn a_token_is_64_hexadecimal_characters_new_each_time_and_never_prints() {
        let keys = Keyring::for_test(1);
        let make = || DeviceToken::issue(&keys, user(1), at(0)).unwrap();
        let (one, other) = (make(), make());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 64);
        assert_eq!(format!("{one:?}"), "DeviceToken(..)");
        for bad in [
            "",
            "0",
            &"g".repeat(64),
            &"0".repeat(63),
            &"0".repeat(66),
            &"é".repeat(32),
        ] {
            assert!(DeviceToken::parse(bad).is_none(), "{bad}");
        }
    }
}
