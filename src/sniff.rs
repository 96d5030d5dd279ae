//! What a file is, by its own first bytes. What a client says it is decides nothing.
//!
//! The media worker's own rules find the container, so that nothing is stored that no worker would take.

use media_worker::input::{Container, sniff};

/// As many first bytes as any of the rules looks at.
pub use media_worker::input::HEAD_BYTES;

/// The media type of a file that begins with `head`; `None` for anything that is no audio, video or picture
/// that the worker takes, so also for every playlist, text and document.
pub fn content_type(head: &[u8]) -> Option<&'static str> {
    let name = match sniff(head)? {
        Container::Mov => mov(head),
        Container::Matroska => matroska(head),
        Container::Wav => "audio/wav",
        Container::Avi => "video/x-msvideo",
        Container::Ogg => "audio/ogg",
        Container::Flac => "audio/flac",
        Container::Mp3 => "audio/mpeg",
        Container::Flv => "video/x-flv",
        Container::MpegTs => "video/mp2t",
        Container::MpegPs => "video/mpeg",
        Container::Gif => "image/gif",
        Container::Png => "image/png",
        Container::Jpeg => "image/jpeg",
        Container::WebP => "image/webp",
    };
    Some(name)
}

/// By the brand that stands behind `ftyp`.
fn mov(head: &[u8]) -> &'static str {
    match head.get(4..).unwrap_or_default() {
        [b'f', b't', b'y', b'p', b'q', b't', ..] => "video/quicktime",
        [b'f', b't', b'y', b'p', b'M', b'4', b'A', ..] => "audio/mp4",
        _ => "video/mp4",
    }
}

fn matroska(head: &[u8]) -> &'static str {
    let is_webm = head.windows(4).take(64).any(|window| window == b"webm");
    if is_webm {
        "video/webm"
    } else {
        "video/x-matroska"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        let mut stream = vec![0; 400];
        for offset in [0, 188, 376] {
            stream[offset] = b'G';
        }
        let samples: [(&[u8], &str); 19] = [
            (b"\0\0\0\x20ftypisom", "video/mp4"),
            (b"\0\0\0\x20moov", "video/mp4"),
            (b"\0\0\0\x14ftypqt  ", "video/quicktime"),
            (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
            (b"\x1a\x45\xdf\xa3\x01\0\0\x42\x82\x84webm", "video/webm"),
            (b"\x1a\x45\xdf\xa3", "video/x-matroska"),
            (b"RIFF....WAVE", "audio/wav"),
            (b"RIFF....AVI ", "video/x-msvideo"),
            (b"RIFF....WEBP", "image/webp"),
            (b"OggS", "audio/ogg"),
            (b"fLaC", "audio/flac"),
            (b"ID3\x04", "audio/mpeg"),
            (b"\xff\xfb\x90\x00", "audio/mpeg"),
            (b"FLV\x01", "video/x-flv"),
            (&stream, "video/mp2t"),
            (b"\0\0\x01\xba", "video/mpeg"),
            (b"GIF89a", "image/gif"),
            (b"\x89PNG\r\n\x1a\n", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
        ];
        for (head, expected) in samples {
            assert_eq!(content_type(head), Some(expected), "{head:?}");
        }
    }

    /// Layer II of MPEG audio, and a transport stream of two packets.
    #[test]
    fn what_no_worker_takes_is_nothing() {
        assert_eq!(content_type(b"\xff\xfd\x90\x00"), None);
        let mut stream = vec![0; 376];
        for offset in [0, 188] {
            stream[offset] = b'G';
        }
        assert_eq!(content_type(&stream), None);
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
