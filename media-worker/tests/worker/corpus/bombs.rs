//! Small files that want much: memory, time, streams. Each is refused, and most before anything is decoded.

use media_worker::api::FailureCode::{
    CorruptInput, LimitMemory, TooLargeDimensions, TooLong, TooManyStreams, UnsupportedCodec,
};

use super::files::{Content, Expected, File, atom, file, find, ftyp, made};

pub fn files() -> Vec<File> {
    let mut all = pictures();
    all.extend(sounds());
    all.extend(films());
    all.extend(structures());
    all
}

fn pictures() -> Vec<File> {
    let refused = Expected::Refused(TooLargeDimensions);
    let vp8x = b"RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\xFF\x3F\0\xFF\x3F\0";
    let sound = made(
        "x.mp3",
        "-f lavfi -i sine=d=1 -c:a libmp3lame -id3v2_version 0",
    );
    let cover = [&b"\0image/png\0\x03\0"[..], &png(16_000, 16_000, &[])].concat();
    let largest = "-f lavfi -i color=s=8192x4320 -frames:v 1 -pix_fmt gray";
    let largest = made("x.png", largest);
    let long = gif(16, 2000, 0xFFFF);
    let text = [&b"x\0\0"[..], &chunk_of(&largest, *b"IDAT")].concat();
    let texts = vec![(*b"zTXt", text); 3];
    vec![
        file("16k png", png(16_000, 16_000, &[]), refused),
        file("line of 2^31 png", png(1, 0x7FFF_FFFF, &[]), refused),
        file("64k gif", gif(0xFFFF, 1, 1), refused),
        file(
            "64k jpg",
            b"\xFF\xD8\xFF\xC0\0\x11\x08\xFF\xFF\xFF\xFF\x03",
            refused,
        ),
        file("16k webp", vp8x, refused),
        file("cover mp3", [id3(&cover), sound].concat(), refused),
        file("largest png", largest, Expected::Works(Content::Picture)),
        file(
            "packed texts png",
            png(16, 16, &texts),
            Expected::OnlyProbed(CorruptInput, Content::Picture),
        ),
        file("two weeks gif", long, Expected::Refused(TooLong)),
    ]
}

fn sounds() -> Vec<File> {
    let quiet = vec![0x80; 200_000];
    let unsupported = Expected::Refused(UnsupportedCodec);
    let long = made("x.flac", "-f lavfi -i anullsrc=r=8000:cl=mono -t 7300");
    vec![
        file("1 Hz wav", wav(1, 1, &quiet), Expected::Refused(TooLong)),
        file("4 kHz wav", wav(1, 4000, &quiet), unsupported),
        file("768 kHz wav", wav(1, 768_000, &quiet), unsupported),
        file("12 channels wav", wav(12, 48_000, &quiet), unsupported),
        file("two hours flac", long, Expected::Refused(TooLong)),
    ]
}

fn films() -> Vec<File> {
    let h264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let large = format!("-f lavfi -i color=s=8192x8192:r=1 -frames:v 1 {h264}");
    let fast = format!("-f lavfi -i testsrc2=s=64x48:r=500:d=0.2 {h264}");
    let long = format!("-f lavfi -i color=s=16x16:r=1/600:d=10800 {h264}");
    let maps = |count: usize| {
        format!(
            "-f lavfi -i sine=d=0.2{} -c:a pcm_s16le",
            " -map 0".repeat(count)
        )
    };
    let many = Expected::Refused(TooManyStreams);
    vec![
        file(
            "8k square mp4",
            made("x.mp4", &large),
            Expected::Refused(TooLargeDimensions),
        ),
        file(
            "500 frames a second mp4",
            made("x.mp4", &fast),
            Expected::Refused(UnsupportedCodec),
        ),
        file(
            "three hours mp4",
            made("x.mp4", &long),
            Expected::Refused(TooLong),
        ),
        file("17 sounds mkv", made("x.mkv", &maps(17)), many),
        file("40 sounds mkv", made("x.mkv", &maps(40)), many),
        file("1600 streams ts", transport_stream(8, 200), many),
    ]
}

fn structures() -> Vec<File> {
    let corrupt = Expected::Refused(CorruptInput);
    let mp4 = made(
        "x.mp4",
        "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -c:v libx264 -preset ultrafast",
    );
    let with_count = |kind: &[u8; 4], behind: usize, count: u32| {
        let mut bytes = mp4.clone();
        let at = find(&bytes, kind) + behind;
        bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
        bytes
    };
    let mut nested = Vec::new();
    for _ in 0..5000 {
        nested = atom(*b"moov", &nested);
    }
    let wide = atom(*b"trak", &[]).repeat(20_000);
    let endless = [&b"\0\0\0\x01moov"[..], &u64::MAX.to_be_bytes()].concat();
    vec![
        file("deep boxes mp4", [ftyp(), nested].concat(), corrupt),
        file(
            "20000 tracks mp4",
            [ftyp(), atom(*b"moov", &wide)].concat(),
            Expected::Refused(TooManyStreams),
        ),
        file("endless box mp4", [ftyp(), endless].concat(), corrupt),
        file("2^28 sizes mp4", with_count(b"stsz", 12, 1 << 28), corrupt),
        file(
            "2^32 times mp4",
            with_count(b"stts", 8, u32::MAX),
            Expected::Refused(LimitMemory),
        ),
    ]
}

/// A picture whose content is cut off.
fn png(width: u32, height: u32, chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let mut bytes = b"\x89PNG\r\n\x1A\n".to_vec();
    let header = [&size[..], b"\x08\x02\0\0\0"].concat();
    let first = (*b"IHDR", header);
    let last = (*b"IDAT", vec![0x78, 0x9C]);
    for (kind, content) in std::iter::once(&first).chain(chunks).chain([&last]) {
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(kind);
        bytes.extend(content);
        // Nobody looks at the checksum.
        bytes.extend([0; 4]);
    }
    bytes
}

/// The content of all chunks of a kind.
fn chunk_of(png: &[u8], kind: [u8; 4]) -> Vec<u8> {
    let (mut at, mut content) = (8, Vec::new());
    while at + 8 <= png.len() {
        let length = u32::from_be_bytes(png[at..at + 4].try_into().unwrap()) as usize;
        if png[at + 4..at + 8] == kind {
            content.extend(&png[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    content
}

fn gif(side: u16, frames: usize, hundredths: u16) -> Vec<u8> {
    let [side_low, side_high] = side.to_le_bytes();
    let [low, high] = hundredths.to_le_bytes();
    let mut bytes = b"GIF89a".to_vec();
    bytes.extend([side_low, side_high, side_low, side_high, 0, 0, 0]);
    for _ in 0..frames {
        bytes.extend([0x21, 0xF9, 4, 0, low, high, 0, 0]);
        bytes.extend([0x2C, 0, 0, 0, 0, 1, 0, 1, 0, 0x80, 0, 0, 0, 255, 255, 255]);
        bytes.extend([2, 2, 0x44, 1, 0]);
    }
    bytes.push(0x3B);
    bytes
}

/// One byte a sample.
pub fn wav(channels: u16, rate: u32, samples: &[u8]) -> Vec<u8> {
    let length = u32::try_from(samples.len()).unwrap();
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((length + 36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(channels)).to_le_bytes());
    bytes.extend(channels.to_le_bytes());
    bytes.extend(b"\x08\0data");
    bytes.extend(length.to_le_bytes());
    bytes.extend(samples);
    bytes
}

/// A tag with one picture frame (ID3v2.3).
pub fn id3(picture: &[u8]) -> Vec<u8> {
    let length = u32::try_from(picture.len()).unwrap();
    let frame = [&b"APIC"[..], &length.to_be_bytes(), &[0, 0], picture].concat();
    let size = u32::try_from(frame.len()).unwrap();
    let sevens = [21, 14, 7, 0].map(|shift| u8::try_from(size >> shift & 0x7F).unwrap());
    [&b"ID3\x03\0\0"[..], &sevens, &frame].concat()
}

/// The tables alone: so many programs of so many streams.
fn transport_stream(programs: u16, streams: u16) -> Vec<u8> {
    let pid = |number: u16| (0xE000 | number).to_be_bytes();
    let map_pid = |program: u16| 16 + program;
    let numbers = 1..=programs;
    let listed = numbers
        .clone()
        .flat_map(|program| [program.to_be_bytes(), pid(map_pid(program))]);
    let mut bytes = packets(0, &section(0, 1, &listed.collect::<Vec<_>>().concat()));
    for program in numbers {
        let mut content = [&pid(0x1FFF)[..], &[0xF0, 0]].concat();
        for stream in 0..streams {
            content.push(0x1B);
            content.extend(pid(64 + program * streams + stream));
            content.extend([0xF0, 0]);
        }
        bytes.extend(packets(map_pid(program), &section(2, program, &content)));
    }
    bytes
}

fn section(table: u8, id: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 9).unwrap();
    let mut bytes = vec![table];
    bytes.extend((0xB000 | length).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([0xC1, 0, 0]);
    bytes.extend(content);
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            if crc >> 31 == 1 {
                crc << 1 ^ 0x04C1_1DB7
            } else {
                crc << 1
            }
        })
    });
    bytes.extend(crc.to_be_bytes());
    bytes
}

fn packets(pid: u16, section: &[u8]) -> Vec<u8> {
    let content = [&[0], section].concat();
    let pieces = content.chunks(184).enumerate();
    let packets = pieces.map(|(index, piece)| {
        let start = if index == 0 { 0x4000 } else { 0 };
        let mut packet = vec![b'G'];
        packet.extend((start | pid).to_be_bytes());
        packet.push(0x10 | u8::try_from(index & 15).unwrap());
        packet.extend(piece);
        packet.resize(188, 0xFF);
        packet
    });
    packets.flatten().collect()
}
