//! Files that are not whole, not what they say, or two things at once.

use media_worker::api::FailureCode::{
    self, CorruptInput, Encrypted, TooLargeDimensions, UnsupportedCodec, UnsupportedContainer,
};

use super::files::{Content, Expected, File, element, file, find, ftyp, made, made_in, noise};

const CORRUPT: Expected = Expected::Refused(CorruptInput);
const LARGE: Expected = Expected::Refused(TooLargeDimensions);
const UNKNOWN: Expected = Expected::Refused(UnsupportedContainer);
const fn only(code: FailureCode, content: Content) -> Expected {
    Expected::OnlyProbed(code, content)
}
const VIDEO: &str = "-f lavfi -i testsrc2=s=64x48:r=10:d=2";
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

pub fn files() -> Vec<File> {
    let mut all = cut();
    all.extend(heads());
    all.extend(polyglots());
    all.extend(unknown());
    all.extend(odd_codecs());
    all.push(control_characters());
    all.extend(encrypted());
    all
}

fn cut() -> Vec<File> {
    let last = made("x.mp4", &format!("{VIDEO} {H264}"));
    let first = made("x.mp4", &format!("{VIDEO} {H264} -movflags +faststart"));
    let png = made("x.png", &format!("{VIDEO} -frames:v 1"));
    let jpg = made("x.jpg", &format!("{VIDEO} -frames:v 1 -pix_fmt yuvj420p"));
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let mut flipped = first.clone();
    let data = find(&flipped, b"mdat");
    for byte in flipped.iter_mut().skip(data + 40).step_by(7) {
        *byte ^= 0x55;
    }
    let mut bad_index = first.clone();
    let index = find(&bad_index, b"stbl");
    bad_index[index + 4..index + 200].copy_from_slice(&noise(196));
    vec![
        file("no index mp4", half(&last), CORRUPT),
        file(
            "half the data mp4",
            half(&first),
            only(CorruptInput, Content::SilentFilm),
        ),
        file(
            "index alone mp4",
            first[..find(&first, b"mdat") + 4].to_vec(),
            only(CorruptInput, Content::SilentFilm),
        ),
        file(
            "flipped bits mp4",
            flipped,
            only(CorruptInput, Content::SilentFilm),
        ),
        file(
            "index of noise mp4",
            bad_index,
            only(UnsupportedCodec, Content::SilentFilm),
        ),
        file(
            "half a png",
            half(&png),
            only(CorruptInput, Content::Picture),
        ),
        file("half a jpg", half(&jpg), Expected::Works(Content::Picture)),
        file(
            "png header",
            png[..33].to_vec(),
            only(CorruptInput, Content::Picture),
        ),
    ]
}

/// The first bytes of a container, and nothing behind them that belongs there.
fn heads() -> Vec<File> {
    let flac = made("x.flac", "-f lavfi -i sine=d=1");
    let behind = |head: &[u8]| [head, &noise(100_000)].concat();
    vec![
        file("flac header", &flac[..42], CORRUPT),
        file("ftyp alone", ftyp(), CORRUPT),
        file("mp4 of noise", behind(&ftyp()), CORRUPT),
        file("mkv of noise", behind(b"\x1A\x45\xDF\xA3"), CORRUPT),
        file("ogg of noise", behind(b"OggS"), CORRUPT),
        file("avi of noise", behind(b"RIFF\xFF\xFF\0\0AVI "), CORRUPT),
        file("flv of noise", behind(b"FLV\x01\x05\0\0\0\x09"), CORRUPT),
        file("mpg of noise", behind(b"\0\0\x01\xBA"), CORRUPT),
        file("webp of noise", behind(b"RIFF\xFF\xFF\0\0WEBPVP8 "), LARGE),
    ]
}

fn polyglots() -> Vec<File> {
    let gif = made("x.gif", &format!("{VIDEO} -frames:v 1"));
    let jpg = made("x.jpg", &format!("{VIDEO} -frames:v 1 -pix_fmt yuvj420p"));
    let mp4 = made("x.mp4", &format!("{VIDEO} {H264}"));
    let picture = Expected::Works(Content::Picture);
    let script = b"GIF89a/*\x2F\0\0\0\0\0*/=1;alert(1);//";
    let html = b"<html><script>alert(1)</script></html>";
    let zip = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let list = b"\n#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
    vec![
        file("gif and zip", [&gif[..], zip].concat(), picture),
        file(
            "jpg and php",
            [&jpg[..], b"<?php system($_GET['x']); ?>"].concat(),
            picture,
        ),
        file(
            "mp4 and html",
            [&mp4[..], html].concat(),
            Expected::Works(Content::SilentFilm),
        ),
        file("gif and script", script, LARGE),
        file(
            "gif and playlist",
            [&b"GIF89a\x01\0\x01\0\0\0\0"[..], list].concat(),
            only(CorruptInput, Content::Picture),
        ),
        file("mp4 and playlist", [&ftyp()[..], list].concat(), CORRUPT),
        file(
            "mp3 and playlist",
            [&b"ID3\x03\0\0\0\0\0\0"[..], list].concat(),
            CORRUPT,
        ),
        file("playlist and mp4", [&list[1..], &mp4].concat(), UNKNOWN),
        file("pdf and mp4", [&b"%PDF-1.7\n"[..], &mp4].concat(), UNKNOWN),
        file("zip and jpg", [zip, &jpg[..]].concat(), UNKNOWN),
    ]
}

fn unknown() -> Vec<File> {
    let sound = "-f lavfi -i sine=d=0.2";
    let picture = format!("{VIDEO} -frames:v 1");
    vec![
        file("one byte", [0], UNKNOWN),
        file("text", "hello", UNKNOWN),
        file("noise", noise(100_000), UNKNOWN),
        file("zeros", vec![0; 100_000], UNKNOWN),
        file("program", &b"\x7FELF\x02\x01\x01"[..], UNKNOWN),
        file("wmv", made("x.wmv", &format!("{VIDEO} -c:v wmv2")), UNKNOWN),
        file("aiff", made("x.aiff", sound), UNKNOWN),
        file("au", made("x.au", sound), UNKNOWN),
        file("aac", made("x.aac", &format!("{sound} -c:a aac")), UNKNOWN),
        file("bmp", made("x.bmp", &picture), UNKNOWN),
        file("tiff", made("x.tiff", &picture), UNKNOWN),
        file(
            "h264 without a container",
            made("x.h264", &format!("{VIDEO} {H264}")),
            UNKNOWN,
        ),
        file("y4m", made("x.y4m", &picture), UNKNOWN),
        file("nut", made("x.nut", &picture), UNKNOWN),
    ]
}

fn odd_codecs() -> Vec<File> {
    let film = |args: &str| made("x.mkv", &format!("{VIDEO} {args}"));
    let only = |content| only(UnsupportedCodec, content);
    vec![
        file("ffv1 mkv", film("-c:v ffv1"), only(Content::SilentFilm)),
        file(
            "huffyuv mkv",
            film("-c:v huffyuv"),
            only(Content::SilentFilm),
        ),
        file(
            "dirac mkv",
            film("-c:v snow -strict -2"),
            only(Content::SilentFilm),
        ),
        file(
            "wavpack mka",
            made("x.mka", "-f lavfi -i sine=d=1 -c:a wavpack"),
            only(Content::Sound),
        ),
    ]
}

/// Tags that pretend to be progress, and that no terminal should see.
fn control_characters() -> File {
    let folder = tempfile::tempdir().unwrap();
    let long = "x".repeat(100_000);
    let tags = format!(
        ";FFMETADATA1\ntitle=\u{1b}[31mred\u{7}\\\nprogress\\=end\\\nout_time_us\\=9\ncomment={long}\n"
    );
    std::fs::write(folder.path().join("x.meta"), tags).unwrap();
    let args = format!("{VIDEO} -i x.meta -map 0 -map_metadata 1 {H264}");
    let bytes = made_in(folder.path(), "x.mp4", &args);
    file(
        "control characters mp4",
        bytes,
        Expected::Works(Content::SilentFilm),
    )
}

/// Nobody here has the key.
fn encrypted() -> Vec<File> {
    const KEYS: &str = "-encryption_scheme cenc-aes-ctr -encryption_key 00112233445566778899aabbccddeeff \
                        -encryption_kid 112233445566778899aabbccddeeff00";
    let film = |args: &str| {
        let sound = "-f lavfi -i sine=d=2 -c:a aac";
        made("x.mp4", &format!("{VIDEO} {sound} {H264} {args} {KEYS}"))
    };
    let sound = format!("-f lavfi -i sine=d=1 -c:a aac -f mp4 {KEYS}");
    let mut scrambled = made("x.ts", &format!("{VIDEO} {H264}"));
    for packet in scrambled.chunks_mut(188) {
        // The tables stay in the clear; FFmpeg numbers its streams from 0x100 on.
        if packet[1] & 0x1F == 1 {
            packet[3] |= 0x80;
        }
    }
    let refused = Expected::Refused(Encrypted);
    vec![
        file("encrypted mp4", film(""), refused),
        file(
            "encrypted and index first mp4",
            film("-movflags +faststart"),
            refused,
        ),
        file(
            "encrypted fragments mp4",
            film("-movflags frag_keyframe+empty_moov"),
            refused,
        ),
        file("encrypted m4a", made("x.m4a", &sound), refused),
        file("encrypted mkv", encrypted_matroska(), refused),
        file("scrambled ts", scrambled, refused),
    ]
}

/// A film whose one track says that it is encrypted; no muxer here writes one.
fn encrypted_matroska() -> Vec<u8> {
    let plain = made("x.mkv", &format!("{VIDEO} {H264}"));
    let encryption = element(&[0x50, 0x35], &element(&[0x47, 0xE1], &[5]));
    let encoding = [element(&[0x50, 0x33], &[1]), encryption].concat();
    let encodings = element(&[0x6D, 0x80], &element(&[0x62, 0x40], &encoding));
    let fields: [(&[u8], &[u8]); 4] = [
        (&[0xD7], &[1]),
        (&[0x73, 0xC5], &[1]),
        (&[0x83], &[1]),
        (&[0x86], b"V_MPEG4/ISO/AVC"),
    ];
    let fields = fields.iter().flat_map(|(id, value)| element(id, value));
    let track: Vec<u8> = fields.chain(encodings).collect();
    let tracks = element(&[0x16, 0x54, 0xAE, 0x6B], &element(&[0xAE], &track));
    // The head and the clusters of a real one.
    let head = &plain[..find(&plain, &[0x18, 0x53, 0x80, 0x67])];
    let clusters = &plain[find(&plain, &[0x1F, 0x43, 0xB6, 0x75])..];
    let segment = element(&[0x18, 0x53, 0x80, 0x67], &[&tracks[..], clusters].concat());
    [head, &segment].concat()
}
