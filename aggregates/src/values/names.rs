//! Names that people give: to themselves, to a device, to a file. Personal, so `Debug` hides them.

use std::fmt;
use std::str::FromStr;

use super::ValueError;

const NAME_MAX_CHARS: usize = 100;
/// What common file systems take for one name.
const FILE_NAME_MAX_BYTES: usize = 255;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(String);

        impl $name {
            /// Checks `text` and takes it as it is.
            ///
            /// # Errors
            /// The first rule that it breaks.
            pub fn parse(text: &str) -> Result<Self, ValueError> {
                $check(text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ValueError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

name! {
    /// A person's name: 1 to 100 characters, no control characters, no space around it.
    DisplayName, check_name
}
name! {
    /// A device's name, by the same rules as a person's.
    DeviceName, check_name
}
name! {
    /// A service key's name, by the same rules as a person's; it names no person.
    ServiceKeyName, check_name
}
name! {
    /// A webhook sink's name, by the same rules as a person's; it names no person.
    WebhookSinkName, check_name
}
name! {
    /// A file's name: 1 to 255 bytes, one path segment, no control characters.
    MediaName, check_file_name
}

fn check_name(text: &str) -> Result<(), ValueError> {
    check_present(text)?;
    if text.trim() != text {
        return Err(ValueError::new(
            "surrounding_space",
            "must not begin or end with a space",
        ));
    }
    if text.chars().count() > NAME_MAX_CHARS {
        let message = format!("must have at most {NAME_MAX_CHARS} characters");
        return Err(ValueError::new("too_long", message));
    }
    check_printable(text)
}

fn check_file_name(text: &str) -> Result<(), ValueError> {
    check_present(text)?;
    if text.len() > FILE_NAME_MAX_BYTES {
        let message = format!("must have at most {FILE_NAME_MAX_BYTES} bytes");
        return Err(ValueError::new("too_long", message));
    }
    if text == "." || text == ".." || text.contains(['/', '\\']) {
        return Err(ValueError::new(
            "not_a_file_name",
            "must be a file name without a folder",
        ));
    }
    check_printable(text)
}

fn check_present(text: &str) -> Result<(), ValueError> {
    if text.trim().is_empty() {
        return Err(ValueError::new("required", "must not be empty"));
    }
    Ok(())
}

/// Characters that turn the direction of what follows, so that a name or a file's ending looks like another one (UAX #9,
/// explicit embeddings, overrides and isolates).
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn check_printable(text: &str) -> Result<(), ValueError> {
    if text
        .chars()
        .any(|one| one.is_control() || turns_direction(one))
    {
        return Err(ValueError::new(
            "control_character",
            "must not contain control characters",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(result: Result<impl fmt::Debug, ValueError>) -> &'static str {
        result.unwrap_err().code
    }

    #[test]
    fn a_name_has_1_to_100_characters_whatever_their_bytes() {
        for good in ["A", "Zoë O'Brien-Müller", "李小龍", &"ü".repeat(100)] {
            assert_eq!(DisplayName::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(code(DisplayName::parse("")), "required");
        assert_eq!(code(DisplayName::parse("   ")), "required");
        assert_eq!(code(DeviceName::parse(&"ü".repeat(101))), "too_long");
    }

    #[test]
    fn a_name_has_no_space_around_it_and_no_control_characters() {
        assert_eq!(code(DisplayName::parse(" Ann")), "surrounding_space");
        assert_eq!(code(DisplayName::parse("Ann\n")), "surrounding_space");
        assert_eq!(
            code(DeviceName::parse("An\u{1b}[31mn")),
            "control_character"
        );
        for turned in ["\u{202e}", "Ann\u{202e}nnA", "a\u{2066}b"] {
            assert_eq!(code(DisplayName::parse(turned)), "control_character");
        }
        assert_eq!(
            code(MediaName::parse("film\u{202e}4pm.exe")),
            "control_character"
        );
    }

    #[test]
    fn a_file_name_is_one_segment_of_at_most_255_bytes() {
        for good in [
            "clip.mp4",
            ".hidden",
            "...",
            " a b ",
            &format!("{}a", "é".repeat(127)),
        ] {
            assert_eq!(MediaName::parse(good).unwrap().as_str(), good);
        }
        for bad in [".", "..", "a/b", "a\\b", "../../etc/passwd"] {
            assert_eq!(code(MediaName::parse(bad)), "not_a_file_name", "{bad}");
        }
        assert_eq!(code(MediaName::parse("")), "required");
        assert_eq!(code(MediaName::parse(&"é".repeat(128))), "too_long");
        assert_eq!(code(MediaName::parse("a\0.mp4")), "control_character");
    }

    #[test]
    fn debug_does_not_show_a_name() {
        assert_eq!(
            format!("{:?}", DisplayName::parse("Ann").unwrap()),
            "DisplayName(..)"
        );
    }
}
