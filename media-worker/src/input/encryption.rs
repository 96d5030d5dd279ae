//! Whether a file says of itself that its content is encrypted. A decoder would only find it broken, and nobody could
//! tell the person why. Never decodes anything, and looks at a bounded number of boxes, elements or packets.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::Container;

/// Boxes or elements that are looked at.
const MAX_LOOKS: u32 = 4096;
/// The longest header of either kind: a box of 64-bit size.
const HEADER_BYTES: usize = 16;
const TS_PACKET_BYTES: usize = 188;
/// Packets of a transport stream that are looked at.
const TS_PACKETS: usize = 2048;

/// False too where the file cannot be read, or is too strange to tell.
pub fn is_encrypted(container: Container, file: &File) -> bool {
    match container {
        Container::Mov => Walk::new(file, box_header, is_protected_entry).finds(&TO_SAMPLE_ENTRIES),
        Container::Matroska => Walk::new(file, element_header, is_encryption).finds(&TO_ENCODINGS),
        Container::MpegTs => is_scrambled(file),
        _ => false,
    }
}

/// ISO/IEC 14496-12, 8.5.2: where the kind of every track stands.
const TO_SAMPLE_ENTRIES: [u32; 6] = [
    u32::from_be_bytes(*b"moov"),
    u32::from_be_bytes(*b"trak"),
    u32::from_be_bytes(*b"mdia"),
    u32::from_be_bytes(*b"minf"),
    u32::from_be_bytes(*b"stbl"),
    SAMPLE_DESCRIPTIONS,
];
const SAMPLE_DESCRIPTIONS: u32 = u32::from_be_bytes(*b"stsd");
/// A version and a count stand before the entries.
const BEFORE_ENTRIES: u64 = 8;

/// RFC 9559, 5.1.4.1.31: how the content of a track is encoded.
const TO_ENCODINGS: [u32; 5] = [0x1853_8067, 0x1654_AE6B, 0xAE, 0x6D80, 0x6240];
const ENCODING_TYPE: u32 = 0x5033;
const ENCRYPTION: u32 = 0x5035;

/// A box or an element.
struct Header {
    kind: u32,
    length: u64,
    /// `None` up to the end of what it is in.
    content: Option<u64>,
}

/// Descends into boxes or elements on one path.
struct Walk<'a> {
    file: &'a File,
    left: u32,
    header: fn(&[u8; HEADER_BYTES]) -> Option<Header>,
    /// Whether one at the end of the path, with the first bytes of its content, tells of encryption.
    tells: fn(u32, &[u8; HEADER_BYTES]) -> bool,
}

impl<'a> Walk<'a> {
    fn new(
        file: &'a File,
        header: fn(&[u8; HEADER_BYTES]) -> Option<Header>,
        tells: fn(u32, &[u8; HEADER_BYTES]) -> bool,
    ) -> Self {
        Self {
            file,
            left: MAX_LOOKS,
            header,
            tells,
        }
    }

    fn finds(mut self, path: &[u32]) -> bool {
        let end = self.file.metadata().map_or(0, |metadata| metadata.len());
        self.is_within(0, end, path)
    }

    /// Calls itself once for each step of the path at most.
    fn is_within(&mut self, mut at: u64, end: u64, path: &[u32]) -> bool {
        while at < end && self.left > 0 {
            self.left -= 1;
            let Some(header) = self.head(at).as_ref().and_then(self.header) else {
                return false;
            };
            let content = at.saturating_add(header.length);
            let next = header
                .content
                .map_or(end, |length| content.saturating_add(length).min(end));
            let is_found = match path.split_first() {
                None => {
                    let head = self.head(content);
                    head.is_some_and(|head| (self.tells)(header.kind, &head))
                }
                Some((wanted, rest)) if header.kind == *wanted => {
                    let is_list = header.kind == SAMPLE_DESCRIPTIONS;
                    let first = content.saturating_add(if is_list { BEFORE_ENTRIES } else { 0 });
                    self.is_within(first, next, rest)
                }
                Some(_) => false,
            };
            if is_found {
                return true;
            }
            at = next;
        }
        false
    }

    /// What stands there; zeros behind the end of the file.
    fn head(&self, at: u64) -> Option<[u8; HEADER_BYTES]> {
        let mut bytes = [0; HEADER_BYTES];
        read_at(self.file, &mut bytes, at).ok().map(|_| bytes)
    }
}

/// ISO/IEC 14496-12, 4.2.
fn box_header(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
    let [a, b, c, d, k0, k1, k2, k3, large @ ..] = *bytes;
    let (length, size) = match u32::from_be_bytes([a, b, c, d]) {
        0 => (8, None),
        1 => (16, Some(u64::from_be_bytes(large))),
        size => (8, Some(u64::from(size))),
    };
    let content = match size {
        Some(size) => Some(size.checked_sub(length)?),
        None => None,
    };
    Some(Header {
        kind: u32::from_be_bytes([k0, k1, k2, k3]),
        length,
        content,
    })
}

/// Common encryption (ISO/IEC 23001-7, 4) and the store's own that came before it.
fn is_protected_entry(kind: u32, _: &[u8; HEADER_BYTES]) -> bool {
    let protected = [b"encv", b"enca", b"drmi", b"drms"];
    protected.contains(&&kind.to_be_bytes())
}

/// RFC 8794, 4 and 5: an identifier of one to four bytes, a size of one to eight.
fn element_header(bytes: &[u8; HEADER_BYTES]) -> Option<Header> {
    let id_bytes = vint_bytes(bytes, 0).filter(|length| *length <= 4)?;
    let size_bytes = vint_bytes(bytes, id_bytes)?;
    let number = |from: usize, length: usize| {
        let digits = bytes.get(from..from + length)?.iter();
        Some(digits.fold(0_u64, |number, digit| number << 8 | u64::from(*digit)))
    };
    let unknown = (1_u64 << (7 * size_bytes)) - 1;
    let size = number(id_bytes, size_bytes)? & unknown;
    Some(Header {
        kind: u32::try_from(number(0, id_bytes)?).ok()?,
        length: (id_bytes + size_bytes) as u64,
        content: (size != unknown).then_some(size),
    })
}

fn vint_bytes(bytes: &[u8], at: usize) -> Option<usize> {
    let zeros = usize::try_from(bytes.get(at)?.leading_zeros()).ok()?;
    (zeros < 8).then_some(zeros + 1)
}

/// The other type of encoding, 0, is compression; type 1 is encryption, in one byte as anybody writes it.
fn is_encryption(kind: u32, content: &[u8; HEADER_BYTES]) -> bool {
    kind == ENCRYPTION || (kind == ENCODING_TYPE && content.first() == Some(&1))
}

/// Whether most packets of programmes are scrambled (ISO/IEC 13818-1, 2.4.3.3); tables never are.
fn is_scrambled(file: &File) -> bool {
    let mut bytes = vec![0; TS_PACKETS * TS_PACKET_BYTES];
    let Ok(length) = read_at(file, &mut bytes, 0) else {
        return false;
    };
    bytes.truncate(length);
    let (mut clear, mut scrambled) = (0_usize, 0_usize);
    for packet in bytes.chunks_exact(TS_PACKET_BYTES) {
        let [b'G', high, low, control, ..] = packet else {
            continue;
        };
        let is_of_a_programme =
            !matches!(u16::from_be_bytes([high & 0x1F, *low]), 0..=0x1F | 0x1FFF);
        match control >> 6 {
            _ if !is_of_a_programme => {}
            0 => clear += 1,
            _ => scrambled += 1,
        }
    }
    scrambled > clear
}

/// As much as there is.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut read = 0;
    while let Some(rest) = bytes.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(read as u64))? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    fn says(container: Container, bytes: &[u8]) -> bool {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        is_encrypted(container, &file)
    }

    fn atom(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(content.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &kind, content].concat()
    }

    /// A film with these sample entries, one a track.
    fn film(entries: &[&[u8; 4]]) -> Vec<u8> {
        let track = |entry: &&[u8; 4]| {
            let entry = atom(**entry, &[0; 70]);
            let list = atom(*b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
            [b"stbl", b"minf", b"mdia", b"trak"]
                .iter()
                .fold(list, |content, kind| atom(**kind, &content))
        };
        let tracks: Vec<u8> = entries.iter().flat_map(track).collect();
        let index = atom(*b"moov", &[atom(*b"mvhd", &[0; 100]), tracks].concat());
        [atom(*b"ftyp", b"isom"), atom(*b"mdat", b"encvenca"), index].concat()
    }

    #[test]
    fn a_film_is_encrypted_if_any_track_is() {
        let says = |entries: &[&[u8; 4]]| says(Container::Mov, &film(entries));
        assert!(!says(&[b"avc1", b"mp4a"]));
        assert!(says(&[b"encv"]) && says(&[b"avc1", b"enca"]) && says(&[b"drms"]));
    }

    fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
        let size = u64::try_from(content.len()).unwrap() | 1 << 56;
        [id, &size.to_be_bytes()[..], content].concat()
    }

    /// A film whose only track has this in its encoding.
    fn matroska(encoding: &[u8], is_of_known_size: bool) -> Vec<u8> {
        let track = [
            &[0x62, 0x40][..],
            &[0x6D, 0x80],
            &[0xAE],
            &[0x16, 0x54, 0xAE, 0x6B],
        ]
        .iter()
        .fold(encoding.to_vec(), |content, id| element(id, &content));
        let segment: &[u8] = &[0x18, 0x53, 0x80, 0x67];
        let segment = if is_of_known_size {
            element(segment, &track)
        } else {
            [segment, &[0xFF], &track].concat()
        };
        [element(&[0x1A, 0x45, 0xDF, 0xA3], b""), segment].concat()
    }

    #[test]
    fn a_matroska_track_is_encrypted_but_not_if_it_is_only_compressed() {
        for is_of_known_size in [true, false] {
            let says =
                |encoding: &[u8]| says(Container::Matroska, &matroska(encoding, is_of_known_size));
            assert!(says(&element(&[0x50, 0x35], b"")));
            assert!(says(&element(&[0x50, 0x33], &[1])));
            assert!(!says(&element(&[0x50, 0x33], &[0])));
            assert!(!says(&element(&[0x50, 0x34], b"")), "compression");
        }
    }

    #[test]
    fn a_transport_stream_is_scrambled_if_most_of_its_programmes_are() {
        let packet = |pid: u8, control: u8| {
            let mut packet = [0xFF; TS_PACKET_BYTES];
            packet[..4].copy_from_slice(&[b'G', 1, pid, control << 6]);
            packet
        };
        let says = |packets: &[[u8; TS_PACKET_BYTES]]| says(Container::MpegTs, &packets.concat());
        assert!(says(&[packet(0, 2), packet(1, 3), packet(2, 0)]));
        assert!(!says(&[packet(0, 2), packet(1, 0)]));
        assert!(!says(&[]));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_hang(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            for container in Container::ALL {
                says(container, &bytes);
            }
        }

        #[test]
        fn a_damaged_film_ends_too(at in 0..400_usize, byte in any::<u8>()) {
            for mut bytes in [film(&[b"avc1", b"mp4a"]), matroska(&element(&[0x50, 0x34], b""), true)] {
                let at = at % bytes.len();
                bytes[at] = byte;
                says(Container::Mov, &bytes);
                says(Container::Matroska, &bytes);
            }
        }
    }
}
