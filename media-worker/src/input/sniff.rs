//! Recognises a container by its first bytes. What is recognised is also what `FFmpeg` is forced to
//! read the file as, so that a playlist under an honest-looking name is never followed. Every text
//! format (HLS, DASH, ffconcat, SDP, SVG, …) is unknown here, on purpose.

/// How much of a file is looked at, in bytes.
pub const HEAD_BYTES: usize = 4096;

const TS_PACKET_BYTES: usize = 188;

/// The containers that are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Container {
    Mov,
    Matroska,
    Wav,
    Avi,
    Ogg,
    Flac,
    Mp3,
    Flv,
    MpegTs,
    MpegPs,
    Gif,
    Png,
    Jpeg,
    WebP,
}

impl Container {
    pub const ALL: [Self; 14] = [
        Self::Mov,
        Self::Matroska,
        Self::Wav,
        Self::Avi,
        Self::Ogg,
        Self::Flac,
        Self::Mp3,
        Self::Flv,
        Self::MpegTs,
        Self::MpegPs,
        Self::Gif,
        Self::Png,
        Self::Jpeg,
        Self::WebP,
    ];

    /// The name of the demuxer that `FFmpeg` is forced to use.
    pub fn demuxer(self) -> &'static str {
        match self {
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::Wav => "wav",
            Self::Avi => "avi",
            Self::Ogg => "ogg",
            Self::Flac => "flac",
            Self::Mp3 => "mp3",
            Self::Flv => "flv",
            Self::MpegTs => "mpegts",
            Self::MpegPs => "mpeg",
            Self::Gif => "gif",
            Self::Png => "png_pipe",
            Self::Jpeg => "jpeg_pipe",
            Self::WebP => "webp_pipe",
        }
    }

    /// Whether the size of the picture stands in the first bytes.
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Gif | Self::Png | Self::Jpeg | Self::WebP)
    }
}

/// The container of a file that starts with `head`; `None` for anything that is not accepted.
pub fn sniff(head: &[u8]) -> Option<Container> {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    match () {
        () if at(4, b"ftyp") || at(4, b"moov") => Some(Container::Mov),
        () if at(0, &[0x1A, 0x45, 0xDF, 0xA3]) => Some(Container::Matroska),
        () if at(0, b"RIFF") && at(8, b"WAVE") => Some(Container::Wav),
        () if at(0, b"RIFF") && at(8, b"AVI ") => Some(Container::Avi),
        () if at(0, b"RIFF") && at(8, b"WEBP") => Some(Container::WebP),
        () if at(0, b"OggS") => Some(Container::Ogg),
        () if at(0, b"fLaC") => Some(Container::Flac),
        () if at(0, b"FLV\x01") => Some(Container::Flv),
        () if at(0, b"GIF87a") || at(0, b"GIF89a") => Some(Container::Gif),
        () if at(0, b"\x89PNG\r\n\x1A\n") => Some(Container::Png),
        () if at(0, &[0xFF, 0xD8, 0xFF]) => Some(Container::Jpeg),
        () if at(0, &[0, 0, 1, 0xBA]) => Some(Container::MpegPs),
        () if at(0, b"ID3") || is_mp3_frame(head) => Some(Container::Mp3),
        () if at(0, b"G") && at(TS_PACKET_BYTES, b"G") && at(2 * TS_PACKET_BYTES, b"G") => {
            Some(Container::MpegTs)
        }
        () => None,
    }
}

/// The header of an MPEG audio frame of layer III (ISO/IEC 11172-3, 2.4.2.3) with a possible bit rate.
fn is_mp3_frame(head: &[u8]) -> bool {
    let [first, second, third, ..] = head else {
        return false;
    };
    let is_sync = *first == 0xFF && second & 0xE0 == 0xE0;
    let is_version = second & 0x18 != 0x08;
    let is_layer_three = second & 0x06 == 0x02;
    let has_bit_rate = !matches!(third >> 4, 0 | 15);
    is_sync && is_version && is_layer_three && has_bit_rate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognises_every_container() {
        let mut ts = vec![0; 400];
        for offset in [0, 188, 376] {
            ts[offset] = b'G';
        }
        let cases: [(&[u8], Container); 17] = [
            (b"\0\0\0\x20ftypisom", Container::Mov),
            (b"\0\0\0\x20moov", Container::Mov),
            (b"\x1A\x45\xDF\xA3", Container::Matroska),
            (b"RIFF....WAVE", Container::Wav),
            (b"RIFF....AVI ", Container::Avi),
            (b"RIFF....WEBP", Container::WebP),
            (b"OggS", Container::Ogg),
            (b"fLaC", Container::Flac),
            (b"ID3\x04", Container::Mp3),
            (b"\xFF\xFB\x90\x00", Container::Mp3),
            (b"FLV\x01", Container::Flv),
            (&ts, Container::MpegTs),
            (b"\0\0\x01\xBA", Container::MpegPs),
            (b"GIF89a", Container::Gif),
            (b"\x89PNG\r\n\x1A\n", Container::Png),
            (b"\xFF\xD8\xFF\xE0", Container::Jpeg),
            (b"GIF87a", Container::Gif),
        ];
        for (head, expected) in cases {
            assert_eq!(sniff(head), Some(expected), "{head:?}");
        }
    }

    #[test]
    fn knows_no_text_and_no_reference() {
        for head in [
            "",
            "G",
            "#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
            "ffconcat version 1.0\nfile 'x'\n",
            "<?xml version=\"1.0\"?><MPD/>",
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\n",
            "concat:a|b",
            "RIFF....ACON",
            "%PDF-1.7",
        ] {
            assert_eq!(sniff(head.as_bytes()), None, "{head}");
        }
        assert_eq!(
            sniff(&[0xFF, 0xF1, 0x50, 0x80]),
            None,
            "ADTS is not an accepted container"
        );
    }
}
