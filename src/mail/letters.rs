//! What mails say.

use chrono::{DateTime, Utc};

use super::time_text;

/// A letter, before it has a recipient. Links hold tokens, so it is never printed.
#[derive(Clone)]
pub enum Letter {
    /// Confirm the address of a new account.
    ConfirmAddress(String),
    /// Confirm the address and with it the registration.
    ConfirmRegistration(String),
    /// Confirm the address that the account shall have.
    ConfirmChange(String),
    /// Somebody asked for another address.
    ChangeRequested(DateTime<Utc>),
    /// The account has another address; to the former one.
    AddressLeft(DateTime<Utc>),
    /// The account has this address.
    AddressTaken(DateTime<Utc>),
    /// Somebody tried to use the address for another account.
    AddressTried,
    /// Somebody tried to register with the address.
    AccountExists,
    /// Set a new password.
    ResetPassword(String),
    /// The password was changed.
    PasswordChanged(DateTime<Utc>),
    /// The password was reset.
    PasswordReset(DateTime<Utc>),
    /// The second factor is on.
    SecondFactorOn(DateTime<Utc>),
    /// The second factor is off.
    SecondFactorOff(DateTime<Utc>),
    /// New recovery codes.
    RecoveryCodesMade(DateTime<Utc>),
    /// A recovery code was used, and so many are left.
    RecoveryCodeUsed(DateTime<Utc>, u8),
    /// The password was right, and so many codes of the second factor were wrong.
    WrongCodes(DateTime<Utc>, u64),
    /// A sign-in from where nobody signed in before: with what, and from which address.
    NewDevice(DateTime<Utc>, String, String),
    /// A session ended because its refresh token came twice.
    TokenReused(DateTime<Utc>),
    /// The account was disabled.
    AccountDisabled(DateTime<Utc>),
    /// The account will be erased then.
    DeletionScheduled(DateTime<Utc>),
    /// The account will not be erased.
    DeletionTakenBack(DateTime<Utc>),
    /// The account was erased.
    AccountErased(DateTime<Utc>),
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Letter(..)")
    }
}

/// A letter in words.
pub struct Words {
    /// The subject.
    pub subject: &'static str,
    /// What is said, a paragraph each.
    pub paragraphs: Vec<String>,
    /// The link, after the first paragraph, and what it is called.
    pub link: Option<(&'static str, String)>,
}

/// A subject, what happened, and when.
type Notice<'a> = (&'static str, &'static str, &'a DateTime<Utc>);

const NOT_YOU: &str =
    "If this was not you, reset your password at once, and look at the list of your sessions.";
const NOT_ASKED: &str = "If you did not ask for this, ignore this mail: nothing happens.";

impl Letter {
    /// The words of the letter.
    pub fn words(&self) -> Words {
        match self {
            Self::ConfirmAddress(_)
            | Self::ConfirmRegistration(_)
            | Self::ConfirmChange(_)
            | Self::ResetPassword(_) => self.with_link(),
            Self::NewDevice(at, device, ip) => told(
                "New sign-in to your account",
                vec![
                    format!("Somebody signed in to your account on {}.", time_text(*at)),
                    format!("Device: {device}. Network address: {ip}."),
                    NOT_YOU.to_owned(),
                ],
            ),
            Self::RecoveryCodeUsed(at, left) => told(
                "A recovery code was used",
                vec![
                    format!(
                        "A recovery code of your account was used on {}. Codes that are left: {left}.",
                        time_text(*at)
                    ),
                    NOT_YOU.to_owned(),
                ],
            ),
            Self::WrongCodes(at, failures) => told(
                "Somebody may know your password",
                vec![
                    format!(
                        "By {}, somebody had entered the password of your account, and then {failures} wrong codes.",
                        time_text(*at)
                    ),
                    "Nobody was let in by them. If it was not you, somebody knows your password: set another one.".to_owned(),
                ],
            ),
            Self::AddressTried | Self::AccountExists => self.about_a_stranger(),
            _ => self.notice(),
        }
    }

    fn with_link(&self) -> Words {
        let (subject, first, label, link, life) = match self {
            Self::ConfirmRegistration(link) => (
                "Confirm your registration",
                "Confirm that this is your address, with the password that you chose, and your account is ready.",
                "Confirm the address",
                link,
                "The link is good once, for 24 hours. If you did not register, somebody else did: do nothing.",
            ),
            Self::ConfirmChange(link) => (
                "Confirm your new address",
                "Confirm that this is your address, and your account has it from then on.",
                "Confirm the address",
                link,
                "The link is good once, for 24 hours.",
            ),
            Self::ResetPassword(link) => (
                "Set a new password",
                "Somebody asked for a new password for your account.",
                "Set a new password",
                link,
                "The link is good once, for an hour. Every session ends when you use it.",
            ),
            Self::ConfirmAddress(link) => (
                "Confirm your address",
                "An account was registered with this address. Confirm that it is yours.",
                "Confirm the address",
                link,
                "The link is good once, for 24 hours.",
            ),
            _ => return self.notice(),
        };
        Words {
            subject,
            paragraphs: vec![first.to_owned(), life.to_owned(), NOT_ASKED.to_owned()],
            link: Some((label, link.clone())),
        }
    }

    fn about_a_stranger(&self) -> Words {
        let (subject, first) = if matches!(self, Self::AccountExists) {
            (
                "You have an account already",
                "Somebody tried to register with this address, and you have an account with it already.",
            )
        } else {
            (
                "Somebody tried to use your address",
                "Somebody asked for this address for an account of theirs. It is yours, so nothing was changed.",
            )
        };
        let rest = "If it was you, sign in; if you forgot the password, ask for a new one on the page for signing in. \
                    If it was not you, there is nothing to do.";
        told(subject, vec![first.to_owned(), rest.to_owned()])
    }

    fn notice(&self) -> Words {
        let Some((subject, what, at)) = self.about_identity().or(self.about_safety()) else {
            return told("", Vec::new());
        };
        let mut paragraphs = vec![what.to_owned(), format!("Time: {}.", time_text(*at))];
        let needs_no_warning = matches!(
            self,
            Self::AccountDisabled(_) | Self::AccountErased(_) | Self::DeletionTakenBack(_)
        );
        if !needs_no_warning {
            paragraphs.push(NOT_YOU.to_owned());
        }
        told(subject, paragraphs)
    }

    /// Of the address and the password.
    fn about_identity(&self) -> Option<Notice<'_>> {
        Some(match self {
            Self::ChangeRequested(at) => (
                "A new address was asked for",
                "Another address was asked for for your account. It counts once somebody confirms it.",
                at,
            ),
            Self::AddressLeft(at) => (
                "Your account has another address",
                "Your account has another address from now on. Nothing more is mailed to this one.",
                at,
            ),
            Self::AddressTaken(at) => (
                "Your address was changed",
                "Your account has this address from now on.",
                at,
            ),
            Self::PasswordChanged(at) => (
                "Your password was changed",
                "The password of your account was changed.",
                at,
            ),
            Self::PasswordReset(at) => (
                "Your password was reset",
                "The password of your account was reset by a link that was mailed to you. Every session has ended.",
                at,
            ),
            _ => return None,
        })
    }

    /// Of everything else that happens to an account.
    fn about_safety(&self) -> Option<Notice<'_>> {
        Some(match self {
            Self::SecondFactorOn(at) => (
                "Two-factor sign-in is on",
                "From now on, signing in to your account needs a code beside the password.",
                at,
            ),
            Self::SecondFactorOff(at) => (
                "Two-factor sign-in is off",
                "Signing in to your account needs the password alone from now on.",
                at,
            ),
            Self::RecoveryCodesMade(at) => (
                "New recovery codes",
                "New recovery codes were made for your account. The former ones are worth nothing.",
                at,
            ),
            Self::TokenReused(at) => (
                "A session was ended",
                "A session of your account was ended, because a token of it was used twice. Somebody may have copied it.",
                at,
            ),
            Self::AccountDisabled(at) => (
                "Your account was disabled",
                "An administrator disabled your account. Every session has ended.",
                at,
            ),
            Self::DeletionScheduled(at) => (
                "Your account will be erased",
                "Your account and everything in it will be erased at the time below. Sign in to take that back.",
                at,
            ),
            Self::DeletionTakenBack(at) => {
                ("Your account stays", "Your account will not be erased.", at)
            }
            Self::AccountErased(at) => (
                "Your account was erased",
                "Your account and everything in it was erased. This is the last mail.",
                at,
            ),
            _ => return None,
        })
    }
}

fn told(subject: &'static str, paragraphs: Vec<String>) -> Words {
    Words {
        subject,
        paragraphs,
        link: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_a_subject_and_words() {
        let at = DateTime::UNIX_EPOCH;
        let link = || "https://id.example.com/reset-password#token=0".to_owned();
        let letters = [
            Letter::ConfirmAddress(link()),
            Letter::ConfirmRegistration(link()),
            Letter::ConfirmChange(link()),
            Letter::ResetPassword(link()),
            Letter::ChangeRequested(at),
            Letter::AddressLeft(at),
            Letter::AddressTaken(at),
            Letter::AddressTried,
            Letter::AccountExists,
            Letter::PasswordChanged(at),
            Letter::PasswordReset(at),
            Letter::SecondFactorOn(at),
            Letter::SecondFactorOff(at),
            Letter::RecoveryCodesMade(at),
            Letter::RecoveryCodeUsed(at, 3),
            Letter::WrongCodes(at, 5),
            Letter::NewDevice(at, "Firefox on Linux".to_owned(), "192.0.2.1".to_owned()),
            Letter::TokenReused(at),
            Letter::AccountDisabled(at),
            Letter::DeletionScheduled(at),
            Letter::DeletionTakenBack(at),
            Letter::AccountErased(at),
        ];
        for letter in letters {
            let words = letter.words();
            assert!(!words.subject.is_empty() && words.paragraphs.len() >= 2);
        }
    }
}
