//! Passwords and the rules for a new one. A password itself is never printed or repeated here.

mod common;

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use common::is_common;

/// Shorter pieces of an identity turn up in good passwords by chance.
const IDENTITY_MIN_CHARS: usize = 4;

/// A password in the form in which it is hashed: NFKC, so that what one keyboard composes and another one does not
/// is the same (NIST SP 800-63B-4, 3.1.1.2). It is never cut short; `Debug` hides it, and it is wiped from memory.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Normalises what a person typed.
    pub fn new(typed: &str) -> Self {
        Self(Zeroizing::new(typed.nfkc().collect()))
    }

    /// The normalised text; for hashing and measuring only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(..)")
    }
}

/// What a new password must have. Lengths are in characters. [`Default`] has the documented rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each rule can be switched off on its own"
)]
pub struct PasswordPolicy {
    /// At least this many characters.
    pub min: usize,
    /// At most this many characters; it bounds what hashing costs.
    pub max: usize,
    /// An upper-case letter of any script.
    pub require_upper: bool,
    /// A lower-case letter of any script.
    pub require_lower: bool,
    /// A digit of any script.
    pub require_digit: bool,
    /// A printable character that is no letter, digit or space.
    pub require_symbol: bool,
}

impl PasswordPolicy {
    /// At most this many characters, whatever else is asked for.
    pub const MAX: usize = 256;

    /// NIST SP 800-63B-4, 3.1.1.2, for a password that is the only factor: 15 characters of any kind.
    pub fn nist() -> Self {
        Self {
            min: 15,
            max: Self::MAX,
            require_upper: false,
            require_lower: false,
            require_digit: false,
            require_symbol: false,
        }
    }
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min: 8,
            max: Self::MAX,
            require_upper: true,
            require_lower: true,
            require_digit: true,
            require_symbol: true,
        }
    }
}

/// A rule that a password breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordFailure {
    /// Fewer characters than this.
    TooShort(usize),
    /// More characters than this.
    TooLong(usize),
    /// No upper-case letter.
    NoUppercase,
    /// No lower-case letter.
    NoLowercase,
    /// No digit.
    NoDigit,
    /// No symbol.
    NoSymbol,
    /// One of the most common passwords, one with a few digits or symbols after it, or one that is as easily
    /// guessed.
    TooCommon,
    /// The address, its local part or the name is in it.
    ContainsIdentity,
}

impl PasswordFailure {
    /// The rule's stable name.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooShort(_) => "too_short",
            Self::TooLong(_) => "too_long",
            Self::NoUppercase => "no_uppercase",
            Self::NoLowercase => "no_lowercase",
            Self::NoDigit => "no_digit",
            Self::NoSymbol => "no_symbol",
            Self::TooCommon => "too_common",
            Self::ContainsIdentity => "contains_identity",
        }
    }

    /// The rule as one sentence without its full stop.
    pub fn message(self) -> String {
        match self {
            Self::TooShort(min) => return format!("must have at least {min} characters"),
            Self::TooLong(max) => return format!("must have at most {max} characters"),
            Self::NoUppercase => "must contain an upper-case letter",
            Self::NoLowercase => "must contain a lower-case letter",
            Self::NoDigit => "must contain a digit",
            Self::NoSymbol => "must contain a symbol",
            Self::TooCommon => "is too common or too easily guessed",
            Self::ContainsIdentity => "must not contain the e-mail address or name",
        }
        .to_owned()
    }
}

impl fmt::Display for PasswordFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message())
    }
}

impl PasswordPolicy {
    /// All rules that `password` breaks, each once; none means that it is good. `identity` holds
    /// the person's address and name: neither they nor the address's local part may be inside.
    /// `is_guessable` is what an estimate of its strength found.
    pub fn check(
        &self,
        password: &Password,
        identity: &[&str],
        is_guessable: bool,
    ) -> Vec<PasswordFailure> {
        let password = password.expose();
        let length = password.chars().count();
        let lacks = |test: fn(char) -> bool| !password.chars().any(test);
        let rules = [
            (length < self.min, PasswordFailure::TooShort(self.min)),
            (length > self.max, PasswordFailure::TooLong(self.max)),
            (
                self.require_upper && lacks(char::is_uppercase),
                PasswordFailure::NoUppercase,
            ),
            (
                self.require_lower && lacks(char::is_lowercase),
                PasswordFailure::NoLowercase,
            ),
            (
                self.require_digit && lacks(char::is_numeric),
                PasswordFailure::NoDigit,
            ),
            (
                self.require_symbol && lacks(is_symbol),
                PasswordFailure::NoSymbol,
            ),
            (
                is_guessable || is_common(password),
                PasswordFailure::TooCommon,
            ),
            (
                contains_identity(password, identity),
                PasswordFailure::ContainsIdentity,
            ),
        ];
        rules
            .into_iter()
            .filter_map(|(is_broken, failure)| is_broken.then_some(failure))
            .collect()
    }
}

fn is_symbol(character: char) -> bool {
    !(character.is_alphanumeric() || character.is_whitespace() || character.is_control())
}

fn contains_identity(password: &str, identity: &[&str]) -> bool {
    let password = password.to_lowercase();
    let is_inside = |piece: &str| {
        let piece: String = piece.trim().nfkc().collect();
        piece.chars().count() >= IDENTITY_MIN_CHARS && password.contains(&piece.to_lowercase())
    };
    identity.iter().any(|whole| {
        is_inside(whole)
            || whole
                .split_once('@')
                .is_some_and(|(local, _)| is_inside(local))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(password: &str) -> Vec<&'static str> {
        let identity = ["Ann.Miller@example.com", "Zoë O'Brien"];
        let failures = PasswordPolicy::default().check(&Password::new(password), &identity, false);
        failures.into_iter().map(PasswordFailure::code).collect()
    }

    #[test]
    fn a_good_password_breaks_no_rule() {
        for good in [
            "Tr0ub4dor&3x",
            "correct Horse 9!",
            "Пароль-длинный7",
            "Aa1!\u{1F600}xyz",
        ] {
            assert_eq!(codes(good), [""; 0], "{good}");
        }
    }

    #[test]
    fn each_missing_kind_of_character_has_its_code() {
        assert_eq!(codes("xkcd-93675"), ["no_uppercase"]);
        assert_eq!(codes("XKCD-93675"), ["no_lowercase"]);
        assert_eq!(codes("Xkcd-Staple"), ["no_digit"]);
        assert_eq!(codes("Xkcd 93675"), ["no_symbol"]);
    }

    #[test]
    fn all_broken_rules_are_told_at_once() {
        let all_kinds = ["no_uppercase", "no_lowercase", "no_digit", "no_symbol"];
        assert_eq!(codes(""), [&["too_short"][..], &all_kinds].concat());
        assert_eq!(
            codes("abc"),
            ["too_short", "no_uppercase", "no_digit", "no_symbol"]
        );
        assert_eq!(
            codes("password"),
            ["no_uppercase", "no_digit", "no_symbol", "too_common"]
        );
    }

    #[test]
    fn length_counts_characters_and_not_bytes() {
        assert_eq!(codes("Ünï-çö7"), ["too_short"]);
        assert_eq!(codes("Ünï-çö7ß"), [""; 0]);
        assert_eq!(codes(&format!("A1!{}", "ü".repeat(253))), [""; 0]);
        assert_eq!(codes(&format!("A1!{}", "ü".repeat(254))), ["too_long"]);
    }

    #[test]
    fn a_common_password_stays_common_with_simple_suffixes_and_in_any_case() {
        for common in [
            "Password1!",
            "PASSWORD2024!",
            "Qwerty123!",
            "P@ssw0rd",
            "Dragon-1987!",
        ] {
            assert!(codes(common).contains(&"too_common"), "{common}");
        }
        for rare in ["Password-staple-7", "Dragonfly-72x", "Dragon--1987!"] {
            assert!(!codes(rare).contains(&"too_common"), "{rare}");
        }
    }

    #[test]
    fn the_address_its_local_part_and_the_name_are_not_in_it() {
        for bad in [
            "1!ANN.MILLER@example.COM",
            "xX1!ann.miller",
            "9-zoë o'brien-X",
        ] {
            assert_eq!(codes(bad).last(), Some(&"contains_identity"), "{bad}");
        }
        assert_eq!(codes("Miller-1847x"), [""; 0]);
    }

    #[test]
    fn a_short_piece_of_identity_may_turn_up_by_chance() {
        let check = |text: &str, identity: &[&str]| {
            PasswordPolicy::default().check(&Password::new(text), identity, false)
        };
        assert_eq!(
            check("Bob-the-Builder-7", &["bob@example.com", "Bob", ""]),
            []
        );
        assert_eq!(
            check("Bobs-Builder-7", &["bobs@example.com"]),
            [PasswordFailure::ContainsIdentity]
        );
    }

    #[test]
    fn one_password_typed_composed_or_decomposed_or_full_width_is_one_and_the_same() {
        let same =
            |one: &str, other: &str| Password::new(one).expose() == Password::new(other).expose();
        assert!(same("\u{e9}t\u{e9}-A1", "e\u{301}te\u{301}-A1"));
        assert!(same("\u{ff30}\u{ff57}7!", "Pw7!"));
        assert!(!same("Pw7!", "pw7!") && !same("Pw7!", "Pw7! "));
        assert!(
            codes("\u{ff50}\u{ff41}\u{ff53}\u{ff53}\u{ff57}\u{ff4f}\u{ff52}\u{ff44}")
                .contains(&"too_common")
        );
        assert!(codes("9-zoe\u{308} o'brien-X").contains(&"contains_identity"));
    }

    #[test]
    fn length_is_counted_after_normalising() {
        let composed = format!("A1!{}", "e\u{301}".repeat(253));
        assert_eq!(codes(&composed), [""; 0]);
        // One ligature of eighteen characters.
        let unfolded = format!("aA1!{}", "\u{fdfa}".repeat(15));
        assert_eq!(codes(&unfolded), ["too_long"]);
    }

    #[test]
    fn what_is_easily_guessed_is_too_common_and_told_once() {
        let check = |text: &str| PasswordPolicy::default().check(&Password::new(text), &[], true);
        assert_eq!(check("Tr0ub4dor&3x"), [PasswordFailure::TooCommon]);
        assert_eq!(check("Password1!"), [PasswordFailure::TooCommon]);
    }

    #[test]
    fn the_nist_profile_asks_for_length_and_for_no_kinds() {
        let check = |text: &str| PasswordPolicy::nist().check(&Password::new(text), &[], false);
        assert_eq!(check("correct horse b"), []);
        assert_eq!(check("correct horse "), [PasswordFailure::TooShort(15)]);
    }

    #[test]
    fn a_password_is_not_in_its_debug_text() {
        assert_eq!(format!("{:?}", Password::new("hunter2")), "Password(..)");
    }

    #[test]
    fn a_rule_that_is_switched_off_is_not_checked() {
        let policy = PasswordPolicy {
            min: 4,
            require_upper: false,
            require_digit: false,
            require_symbol: false,
            ..PasswordPolicy::default()
        };
        let check = |text: &str| policy.check(&Password::new(text), &[], false);
        assert_eq!(check("xkcd"), []);
        assert_eq!(check("xkc"), [PasswordFailure::TooShort(4)]);
        assert_eq!(
            PasswordFailure::TooShort(4).to_string(),
            "must have at least 4 characters"
        );
    }
}
