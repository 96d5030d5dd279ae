//! `Upload-Metadata` of tus 1.0: pairs of a key and a Base64 value, parted by commas.
//!
//! Only `filename` means something here. The rest is given back as it came.

use aggregates::values::{MediaName, ValueError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The longest text.
pub const MOST_BYTES: usize = 4096;
/// The name of a file that has none.
const NAMELESS: &str = "upload";

/// The text is no list of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a list of keys and Base64 values, or a key stands twice")]
pub struct NotMetadata;

/// What `filename` says; `None` when it is not there.
///
/// # Errors
/// [`NotMetadata`].
pub fn filename(text: &str) -> Result<Option<String>, NotMetadata> {
    let mut keys = Vec::new();
    let mut name = None;
    let pairs = text.split(',').map(str::trim);
    for pair in pairs.filter(|_| !text.trim().is_empty()) {
        let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
        let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_key || keys.contains(&key) {
            return Err(NotMetadata);
        }
        keys.push(key);
        let bytes = STANDARD.decode(value.trim()).map_err(|_| NotMetadata)?;
        if key == "filename" {
            name = Some(String::from_utf8(bytes).map_err(|_| NotMetadata)?);
        }
    }
    Ok(name)
}

/// The name that the file gets.
///
/// # Errors
/// Why it cannot be one.
pub fn media_name(filename: Option<&str>) -> Result<MediaName, ValueError> {
    MediaName::parse(filename.unwrap_or(NAMELESS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_among_the_pairs() {
        let found = |text| filename(text).unwrap();
        assert_eq!(found(""), None);
        assert_eq!(found("is_private"), None);
        assert_eq!(
            found("filename YS5tcDQ=,filetype dmlkZW8vbXA0"),
            Some("a.mp4".to_owned())
        );
        assert_eq!(found("empty , filename w6kubXA0"), Some("é.mp4".to_owned()));
        assert_eq!(found("filename"), Some(String::new()));
    }

    #[test]
    fn what_is_no_list_of_pairs_is_refused() {
        for text in [
            ",",
            "a YQ==,",
            "filename YQ==,filename YQ==",
            "filename a.mp4",
            "filename YQ",
            "filename /w==",
            "\u{e9} YQ==",
        ] {
            assert_eq!(filename(text), Err(NotMetadata), "{text}");
        }
    }
}
