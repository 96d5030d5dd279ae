//! How easily a password is guessed: zxcvbn, which knows common words, names, dates, sequences and keyboard patterns.

use aggregates::values::Password;
use zxcvbn::{Score, zxcvbn};

/// The estimate's cost grows faster than the length. What comes after this many characters is not looked at.
const MEASURED_CHARS: usize = 100;
/// Characters that may stand for letters, such as `@` for `a`: the estimate tries their combinations, so its cost grows
/// with how many different ones there are. With more than [`SUBSTITUTES_MAX`] of them less is looked at.
const SUBSTITUTES: &str = "4@8({[<369!1|70$5+%2";
const SUBSTITUTES_MAX: usize = 6;
const MEASURED_CHARS_WITH_MANY: usize = 20;
/// As long is what anybody may have measured, uncounted.
const PLAIN_CHARS: usize = 16;
/// Words of an identity that are shorter stand in good passwords by chance.
const WORD_MIN_CHARS: usize = 3;

/// Whether fewer than about a million guesses find it (a score under 2). `identity` are texts that whoever guesses
/// tries first: the person's address and name.
pub(super) fn is_guessable(password: &Password, identity: &[String]) -> bool {
    let substitutes = SUBSTITUTES.chars();
    let substitutes = substitutes.filter(|one| password.expose().contains(*one));
    let chars = if substitutes.count() > SUBSTITUTES_MAX {
        MEASURED_CHARS_WITH_MANY
    } else {
        MEASURED_CHARS
    };
    let measured: String = password.expose().chars().take(chars).collect();
    let measured = zeroize::Zeroizing::new(measured);
    zxcvbn(&measured, &words(identity)).score() < Score::Two
}

/// The same of what is short and has few substitutes, which costs nearly nothing; `false` of everything else.
pub(super) fn is_plainly_guessable(password: &Password, identity: &[String]) -> bool {
    let text = password.expose();
    let is_short = text.chars().count() <= PLAIN_CHARS;
    let substitutes = text.chars().filter(|one| SUBSTITUTES.contains(*one));
    is_short && substitutes.count() <= SUBSTITUTES_MAX && is_guessable(password, identity)
}

fn words(identity: &[String]) -> Vec<&str> {
    let parts = identity
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()));
    let is_word = |part: &&str| part.chars().count() >= WORD_MIN_CHARS;
    identity
        .iter()
        .map(String::as_str)
        .chain(parts.filter(is_word))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn is_weak(text: &str) -> bool {
        is_guessable(
            &Password::new(text),
            &[
                "Ada.Byron@example.com".to_owned(),
                "Ada Lovelace".to_owned(),
            ],
        )
    }

    #[test]
    fn what_follows_a_pattern_is_guessable_though_no_list_has_it() {
        for weak in [
            "Abcdefg1!",
            "Qwertyuiop1!",
            "aaaaaaaa1!",
            "12.12.1990",
            "Lovelace1!",
            "Byron1!",
        ] {
            assert!(is_weak(weak), "{weak}");
        }
        for strong in ["Correct-horse-7", "Tr0ub4dor&3x", "Xkcd-Staple-936"] {
            assert!(!is_weak(strong), "{strong}");
        }
    }

    #[test]
    fn only_the_beginning_of_a_long_password_is_measured() {
        let beginning = "a".repeat(MEASURED_CHARS);
        assert!(is_weak(&format!("{beginning}Correct-horse-7")));
        let started = Instant::now();
        assert!(!is_weak(&"Xkcd-Staple-936 ".repeat(4_000)));
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
    }

    /// The work for the worst of them is a few times that of a hash. Not a matter of taste: it is asked for by strangers.
    #[test]
    fn many_substitutes_do_not_make_the_estimate_dear() {
        let started = Instant::now();
        for repeated in 1..=5 {
            is_weak(&SUBSTITUTES.repeat(repeated));
            is_weak(&format!("{}{}", "4@8({[", "aA1".repeat(repeated * 6)));
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
    }
}
