//! The block list: passwords that are guessed first.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Digits and symbols up to this many at the end do not make a common password a rare one.
const SUFFIX_MAX_CHARS: usize = 6;

/// The most common passwords of published leaks, lower case; `NOTICE.md` says where they are from.
static COMMON: LazyLock<HashSet<&'static str>> = LazyLock::new(|| lines().collect());

fn lines() -> impl Iterator<Item = &'static str> {
    let (published, ours) = (include_str!("common.txt"), include_str!("common_more.txt"));
    published.lines().chain(ours.lines())
}

/// Whether the list has the password, in any case, also when up to [`SUFFIX_MAX_CHARS`] digits and symbols at
/// its end are left out.
pub(super) fn is_common(password: &str) -> bool {
    let mut rest = password.to_lowercase();
    for _ in 0..=SUFFIX_MAX_CHARS {
        if COMMON.contains(rest.as_str()) {
            return true;
        }
        if rest.pop().is_none_or(char::is_alphabetic) {
            return false;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_lower_case_unpadded_and_has_no_entry_twice() {
        assert_eq!(lines().count(), COMMON.len());
        assert!(COMMON.len() >= 10_000);
        let is_clean = |line: &str| !line.is_empty() && line == line.trim().to_lowercase();
        assert!(lines().all(is_clean));
    }

    #[test]
    fn every_one_of_the_most_common_passwords_is_refused_in_any_case_and_with_a_usual_suffix() {
        for password in lines().take(3_000) {
            assert!(is_common(password), "{password}");
            assert!(is_common(&password.to_uppercase()), "{password}");
            assert!(is_common(&format!("{password}1!")), "{password}");
        }
    }
}
