//! How easily a password is guessed: zxcvbn, which knows common words, names, dates, sequences and keyboard patterns.

use aggregates::values::Password;
use zeroize::Zeroizing;
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
/// What a long password may repeat, and different substitutes of its beginning: that too costs nearly nothing.
const REPEATED_CHARS: usize = PLAIN_CHARS / 2;
const SUBSTITUTES_OF_A_BEGINNING: usize = 2;
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
    let measured = Zeroizing::new(measured);
    zxcvbn(&measured, &words(identity)).score() < Score::Two
}

/// The same of what is short and has few substitutes, which costs nearly nothing, and of what is long and follows from
/// such a beginning; `false` of everything else.
pub(super) fn is_plainly_guessable(password: &Password, identity: &[String]) -> bool {
    let text = password.expose();
    let is_short = text.chars().count() <= PLAIN_CHARS;
    if is_short {
        let substitutes = text.chars().filter(|one| SUBSTITUTES.contains(*one));
        return substitutes.count() <= SUBSTITUTES_MAX && is_guessable(password, identity);
    }
    if !goes_on(text) {
        return false;
    }
    let beginning = Zeroizing::new(text.chars().take(PLAIN_CHARS).collect::<String>());
    let substitutes = SUBSTITUTES.chars().filter(|one| beginning.contains(*one));
    let are_few = substitutes.count() <= SUBSTITUTES_OF_A_BEGINNING;
    are_few && is_guessable(&Password::new(&beginning), identity)
}

/// Whether all that is measured follows from its beginning: few characters over and over, or each the one behind the last.
fn goes_on(text: &str) -> bool {
    let chars: Zeroizing<Vec<u32>> =
        Zeroizing::new(text.chars().take(MEASURED_CHARS).map(u32::from).collect());
    let pairs = |apart: usize| chars.iter().zip(chars.iter().skip(apart));
    let repeats = |apart| pairs(apart).all(|(one, other)| one == other);
    let rises = pairs(1).all(|(one, other)| one.checked_add(1) == Some(*other));
    let falls = pairs(1).all(|(one, other)| other.checked_add(1) == Some(*one));
    rises || falls || (1..=REPEATED_CHARS).any(repeats)
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
    fn what_is_long_and_follows_from_a_guessable_beginning_is_plainly_guessable() {
        let is_plain = |text: &str| is_plainly_guessable(&Password::new(text), &[]);
        let runs = ["a", "11", "abc", "qwerty", "password", "\u{e9}"].map(|run| run.repeat(30));
        let runs = runs.iter().map(String::as_str);
        let sequences = ["abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"];
        for weak in runs.chain(sequences) {
            assert!(is_plain(weak), "{weak}");
        }
        for other in [
            "aaaaaaaaaaaaaaaaXkcd-Staple-936",
            "correct horse battery staple",
            "7fX!q2Lp7fX!q2Lp7fX!q2Lp",
        ] {
            assert!(!is_plain(other), "{other}");
        }
        // Whoever asks for it often keeps nobody from anything.
        let started = Instant::now();
        for _ in 0..50 {
            is_plain(&"4@".repeat(30_000));
            is_plain(&SUBSTITUTES.repeat(3_000));
            is_plain(
                &SUBSTITUTES
                    .chars()
                    .take(8)
                    .collect::<String>()
                    .repeat(8_000),
            );
        }
        let took = started.elapsed();
        assert!(took < Duration::from_mins(1), "{took:?}");
    }

    #[test]
    fn only_the_beginning_of_a_long_password_is_measured() {
        let beginning = "a".repeat(MEASURED_CHARS);
        assert!(is_weak(&format!("{beginning}Correct-horse-7")));
        let started = Instant::now();
        assert!(!is_weak(&"Xkcd-Staple-936 ".repeat(4_000)));
        assert!(
            started.elapsed() < Duration::from_mins(1),
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
            started.elapsed() < Duration::from_mins(1),
            "{:?}",
            started.elapsed()
        );
    }
}
