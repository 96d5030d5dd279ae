//! Recovery codes: for the person whose device is lost.
//!
//! Fifteen characters of Crockford's base 32, 75 bits: a code needs no slow hash, since it cannot be guessed.

use zeroize::Zeroizing;

use crate::ports::ids;

/// As many as a person gets at once.
pub const COUNT: u8 = 10;
const GROUPS: usize = 3;
const GROUP_CHARS: usize = 5;
const CHARS: usize = GROUPS * GROUP_CHARS;
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// New codes, as they are shown: `xxxxx-xxxxx-xxxxx`.
///
/// # Errors
/// No randomness.
pub fn generate() -> Result<Vec<Zeroizing<String>>, ids::NoRandomness> {
    (0..COUNT).map(|_| generate_one()).collect()
}

fn generate_one() -> Result<Zeroizing<String>, ids::NoRandomness> {
    let bytes = ids::random_bytes::<CHARS>()?;
    let mut code = Zeroizing::new(String::with_capacity(CHARS + GROUPS));
    for (place, byte) in bytes.iter().enumerate() {
        if place > 0 && place % GROUP_CHARS == 0 {
            code.push('-');
        }
        // 256 is a multiple of 32, so every character is as likely as the others.
        let letter = ALPHABET.get(usize::from(byte % 32));
        code.push(letter.map_or('0', |letter| char::from(*letter)));
    }
    Ok(code)
}

/// What a person typed as it was shown: without regard to case, spaces and hyphens, and to letters that look alike.
/// `None` when it can be no code.
pub fn normalise(typed: &str) -> Option<Zeroizing<String>> {
    let mut code = Zeroizing::new(String::with_capacity(CHARS + GROUPS));
    let mut chars = 0;
    for letter in typed.chars().filter(|c| !matches!(c, '-' | ' ')) {
        let letter = match letter.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        if chars == CHARS || !letter.is_ascii() || !ALPHABET.contains(&(letter as u8)) {
            return None;
        }
        if chars > 0 && chars % GROUP_CHARS == 0 {
            code.push('-');
        }
        code.push(letter);
        chars += 1;
    }
    (chars == CHARS).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_75_bits_and_are_all_different() {
        let codes = generate().unwrap();
        assert_eq!(codes.len(), 10);
        for code in &codes {
            let groups: Vec<_> = code.split('-').collect();
            assert_eq!(groups.len(), 3);
            assert!(groups.iter().all(|group| group.len() == 5));
            assert!(code.bytes().all(|c| c == b'-' || ALPHABET.contains(&c)));
        }
        let unique: std::collections::BTreeSet<_> =
            codes.iter().map(|code| code.as_str()).collect();
        assert_eq!(unique.len(), 10);
    }

    #[test]
    fn a_code_is_taken_however_it_is_typed() {
        for typed in [
            "01abc-defgh-jkmnp",
            "01ABCDEFGHJKMNP",
            "OLabc defgh jkmnp",
            "oi abcdefghjkmnp",
        ] {
            assert_eq!(
                normalise(typed).unwrap().as_str(),
                "01abc-defgh-jkmnp",
                "{typed}"
            );
        }
        for bad in [
            "",
            "01abc-defgh",
            "01abc-defgh-jkmnpq",
            "01abc-defgh-jkmnu",
            "é1abc-defgh-jkmnp",
        ] {
            assert!(normalise(bad).is_none(), "{bad}");
        }
    }
}
