//! Reads the size of a still picture from its header, so that a picture that would unpack to
//! gigabytes is refused before any decoder sees it, and so that an output can be checked.

use super::Container;

/// Pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    pub width: u32,
    pub height: u32,
}

/// The size of a GIF, PNG, JPEG or `WebP` picture that starts with `head`; `None` when the header does
/// not say (broken, cut off) or the container is not a still picture.
pub fn of_image(container: Container, head: &[u8]) -> Option<Dimensions> {
    match container {
        Container::Gif => gif(head),
        Container::Png => png(head),
        Container::Jpeg => jpeg(head),
        Container::WebP => webp(head),
        _ => None,
    }
}

/// `GIF89a`, section 18: the logical screen.
fn gif(head: &[u8]) -> Option<Dimensions> {
    dimensions(le16(head, 6)?, le16(head, 8)?)
}

/// PNG (RFC 2083, 4.1.1): the first chunk is IHDR.
fn png(head: &[u8]) -> Option<Dimensions> {
    if head.get(12..16)? != b"IHDR" {
        return None;
    }
    dimensions(be32(head, 16)?, be32(head, 20)?)
}

/// JPEG (ITU-T T.81, B.2.2): walks over the segments to the frame header.
fn jpeg(head: &[u8]) -> Option<Dimensions> {
    let mut position = 2;
    // Every turn moves on by at least two bytes of a bounded head.
    loop {
        if *head.get(position)? != 0xFF {
            return None;
        }
        let marker = *head.get(position + 1)?;
        match marker {
            0xFF => position += 1,
            0x01 | 0xD0..=0xD8 => position += 2,
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                return dimensions(be16(head, position + 7)?, be16(head, position + 5)?);
            }
            0xD9 | 0xDA => return None,
            _ => position += 2 + usize::try_from(be16(head, position + 2)?).ok()?.max(2),
        }
    }
}

/// `WebP` container specification: a lossy, a lossless or an extended first chunk.
fn webp(head: &[u8]) -> Option<Dimensions> {
    match head.get(12..16)? {
        b"VP8 " => dimensions(le16(head, 26)? & 0x3FFF, le16(head, 28)? & 0x3FFF),
        b"VP8L" => {
            let bits = le32(head, 21)?;
            dimensions((bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1)
        }
        b"VP8X" => dimensions(
            (le32(head, 24)? & 0xFF_FFFF) + 1,
            (le32(head, 26)? >> 8) + 1,
        ),
        _ => None,
    }
}

fn dimensions(width: u32, height: u32) -> Option<Dimensions> {
    (width > 0 && height > 0).then_some(Dimensions { width, height })
}

fn bytes<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..)?.first_chunk().copied()
}

fn le16(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u16::from_le_bytes).map(u32::from)
}

fn le32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_le_bytes)
}

fn be16(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u16::from_be_bytes).map(u32::from)
}

fn be32(head: &[u8], at: usize) -> Option<u32> {
    bytes(head, at).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn size(container: Container, head: &[u8]) -> Option<(u32, u32)> {
        of_image(container, head).map(|found| (found.width, found.height))
    }

    #[test]
    fn reads_each_format() {
        assert_eq!(
            size(Container::Gif, b"GIF89a\x40\x01\xF0\x00"),
            Some((320, 240))
        );
        let png = b"\x89PNG\r\n\x1A\n\0\0\0\x0DIHDR\0\0\x3E\x80\0\0\0\x10";
        assert_eq!(size(Container::Png, png), Some((16_000, 16)));
        let jpeg = b"\xFF\xD8\xFF\xE0\0\x04ab\xFF\xFF\xC2\0\x11\x08\x01\x02\x03\x04";
        assert_eq!(size(Container::Jpeg, jpeg), Some((0x304, 0x102)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\x30\x01\0\x9D\x01\x2A\x00\x05\xD0\x02";
        assert_eq!(size(Container::WebP, lossy), Some((1280, 720)));
        let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2F\xFF\xC4\xB3\x00";
        assert_eq!(size(Container::WebP, lossless), Some((1280, 720)));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\xFF\x04\0\xCF\x02\0";
        assert_eq!(size(Container::WebP, extended), Some((1280, 720)));
    }

    #[test]
    fn a_header_without_a_size_gives_none() {
        assert_eq!(size(Container::Gif, b"GIF89a\0\0\0\0"), None);
        assert_eq!(size(Container::Jpeg, b"\xFF\xD8\xFF\xDA"), None);
        assert_eq!(size(Container::Png, b"\x89PNG\r\n\x1A\n"), None);
        assert_eq!(size(Container::Mov, b"\0\0\0\x20ftyp"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_hang(head in prop::collection::vec(any::<u8>(), 0..2048)) {
            for container in Container::ALL {
                of_image(container, &head);
            }
        }
    }
}
