//! What a file is, by its own first bytes. What a client says it is decides nothing.

/// As many first bytes as any of the rules looks at.
pub const HEAD_BYTES: usize = 4096;

/// The media type of a file that begins with `head`; `None` for anything that is no audio, video or picture
/// that the worker takes, so also for every playlist, text and document.
pub fn content_type(head: &[u8]) -> Option<&'static str> {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    let rules: [(bool, &'static str); 15] = [
        (at(4, b"ftypqt"), "video/quicktime"),
        (at(4, b"ftypM4A"), "audio/mp4"),
        (at(4, b"ftyp") || at(4, b"moov"), "video/mp4"),
        (at(0, b"\x1a\x45\xdf\xa3"), matroska(head)),
        (at(0, b"RIFF") && at(8, b"WAVE"), "audio/wav"),
        (at(0, b"RIFF") && at(8, b"AVI "), "video/x-msvideo"),
        (at(0, b"RIFF") && at(8, b"WEBP"), "image/webp"),
        (at(0, b"OggS"), "audio/ogg"),
        (at(0, b"fLaC"), "audio/flac"),
        (at(0, b"ID3") || is_mpeg_audio(head), "audio/mpeg"),
        (at(0, b"FLV\x01"), "video/x-flv"),
        (at(0, b"\x47") && at(188, b"\x47"), "video/mp2t"),
        (at(0, b"\x00\x00\x01\xba"), "video/mpeg"),
        (at(0, b"GIF87a") || at(0, b"GIF89a"), "image/gif"),
        (at(0, b"\x89PNG\r\n\x1a\n"), "image/png"),
    ];
    let found = rules.iter().find(|(fits, _)| *fits).map(|(_, name)| *name);
    found.or_else(|| at(0, b"\xff\xd8\xff").then_some("image/jpeg"))
}

fn matroska(head: &[u8]) -> &'static str {
    let is_webm = head.windows(4).take(64).any(|window| window == b"webm");
    if is_webm {
        "video/webm"
    } else {
        "video/x-matroska"
    }
}

/// An MPEG audio frame header: sync, a known version and layer, no forbidden bit rate or sample rate.
fn is_mpeg_audio(head: &[u8]) -> bool {
    let [0xff, second, third, ..] = head else {
        return false;
    };
    let is_sync = second & 0xe0 == 0xe0;
    let has_version = second & 0x18 != 0x08;
    let has_layer = second & 0x06 != 0;
    let has_rates = third & 0xf0 != 0xf0 && third & 0xf0 != 0 && third & 0x0c != 0x0c;
    is_sync && has_version && has_layer && has_rates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(content_type(b"\0\0\0\x20ftypisom"), Some("video/mp4"));
        assert_eq!(
            content_type(b"\x1a\x45\xdf\xa3\x01\0\0\x42\x82\x84webm"),
            Some("video/webm")
        );
        assert_eq!(content_type(b"\xff\xfb\x90\x00"), Some("audio/mpeg"));
        assert_eq!(content_type(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
    }

    #[test]
    fn playlists_texts_and_documents_are_nothing() {
        for text in [
            "",
            "#EXTM3U\n",
            "ffconcat version 1.0\n",
            "<svg/>",
            "<?xml",
            "file x",
            "%PDF-1.7",
            "PK\x03\x04",
        ] {
            assert_eq!(content_type(text.as_bytes()), None, "{text}");
        }
    }
}
