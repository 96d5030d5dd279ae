//! Files that lead elsewhere: to another person's file, to the machine, to the network.

use media_worker::api::FailureCode;

use super::files::{Content, Expected, File, atom, file, find, ftyp, made};
use super::neighbour::Neighbour;

const REFUSED: Expected = Expected::Refused(FailureCode::UnsupportedContainer);

pub fn files(neighbour: &Neighbour) -> Vec<File> {
    let mut all: Vec<File> = texts(neighbour)
        .into_iter()
        .map(|(name, text)| file(name, text, REFUSED))
        .collect();
    all.push(external_track(neighbour));
    all.push(cover_by_link(neighbour));
    all
}

/// First bytes of accepted containers, whose demuxers must then make do with a playlist.
pub fn heads() -> Vec<(&'static str, Vec<u8>)> {
    let mut ts = vec![0; 188 * 3];
    for packet in 0..3 {
        ts[packet * 188..][..4].copy_from_slice(b"G\x1F\xFF\x10");
    }
    vec![
        ("mp4", ftyp()),
        ("matroska", b"\x1A\x45\xDF\xA3\x80".to_vec()),
        ("wav", b"RIFF\0\x10\0\0WAVE".to_vec()),
        ("avi", b"RIFF\0\x10\0\0AVI ".to_vec()),
        ("ogg", b"OggS\0\x02".to_vec()),
        ("flac", b"fLaC".to_vec()),
        ("flv", b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec()),
        ("mp3", b"ID3\x03\0\0\0\0\0\0".to_vec()),
        ("mpeg", b"\0\0\x01\xBA\x44".to_vec()),
        ("transport stream", ts),
    ]
}

fn texts(neighbour: &Neighbour) -> Vec<(&'static str, String)> {
    let (secret, text, url) = (neighbour.film(), neighbour.text(), neighbour.url());
    let m3u8 = |body: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{body}\n#EXT-X-ENDLIST\n");
    let list = |target: &str| m3u8(&format!("#EXTINF:1,\n{target}"));
    let mut all = playlists(neighbour);
    all.extend([
        ("concat", format!("concat:{secret}|/etc/passwd")),
        ("subfile", format!("subfile,,start,0,end,64,,:{text}")),
        ("data", list("data:video/mp2t;base64,R0AAEA==")),
        ("file", format!("file://{text}")),
        ("cache", format!("cache:http:{url}")),
        ("crypto", list(&format!("crypto+file://{secret}"))),
        ("ffconcat", format!("ffconcat version 1.0\nfile '{secret}'\n")),
        ("relative ffconcat", "ffconcat version 1.0\nfile ../neighbour/secret.mp4\n".to_owned()),
        ("ffconcat without a head", format!("file '{text}'\nduration 1\n")),
        ("dash", dash(&url)),
        ("sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n".to_owned()),
        ("svg", format!("<svg xmlns='http://www.w3.org/2000/svg'><image href='{text}'/></svg>")),
        ("svg by entity", format!("<!DOCTYPE svg [<!ENTITY x SYSTEM '{text}'>]><svg>&x;</svg>")),
        ("asx", format!("<asx version='3.0'><entry><ref href='{url}'/></entry></asx>")),
        ("pls", format!("[playlist]\nFile1={url}\nNumberOfEntries=1\n")),
        ("xspf", format!("<playlist><trackList><track><location>{url}</location></track></trackList></playlist>")),
        ("smil", format!("<smil><body><video src='{url}'/></body></smil>")),
        ("strm", url.clone()),
        ("quicktime link", format!("<?quicktime type='application/x-quicktime-media-link'?><embed src='{url}'/>")),
        ("real", format!("rtsp://127.0.0.1:{}/x\n", neighbour.port())),
        ("subtitles", format!("WEBVTT\n\n00:00.000 --> 00:01.000\n<img src='{url}'>\n")),
        ("magick", format!("push graphic-context\nimage over 0,0 0,0 '{url}'\npop graphic-context\n")),
        ("avisynth", format!("AviSource(\"{secret}\")\n")),
        ("image pattern", "%03d.png\n".to_owned()),
    ]);
    all
}

fn playlists(neighbour: &Neighbour) -> Vec<(&'static str, String)> {
    let (secret, text, url) = (neighbour.film(), neighbour.text(), neighbour.url());
    let m3u8 = |body: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{body}\n#EXT-X-ENDLIST\n");
    let list = |target: &str| m3u8(&format!("#EXTINF:1,\n{target}"));
    vec![
        ("hls to a film", list(&format!("file://{secret}"))),
        ("hls to a text", list(&format!("file://{text}"))),
        ("hls to a relative name", list("../neighbour/secret.mp4")),
        ("hls to the machine", list("file:///etc/passwd")),
        ("hls to the network", list(&url)),
        ("hls to itself", list("input")),
        (
            "hls key",
            m3u8(&format!(
                "#EXT-X-KEY:METHOD=AES-128,URI=\"{url}\"\n#EXTINF:1,\ninput"
            )),
        ),
        (
            "hls map",
            m3u8(&format!("#EXT-X-MAP:URI=\"{secret}\"\n#EXTINF:1,\ninput")),
        ),
        (
            "hls rendition",
            format!("#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"{url}\"\n"),
        ),
        (
            "hls of hls",
            format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}\n"),
        ),
        (
            "hls without an end",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n"),
        ),
        ("hls behind a mark", format!("\u{FEFF}{}", list(&url))),
        ("hls behind spaces", format!(" \r\n{}", list(&url))),
        ("plain m3u", format!("{url}\n{secret}\n")),
    ]
}

fn dash(url: &str) -> String {
    format!(
        "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'><Period><AdaptationSet \
         mimeType='video/mp4'><Representation id='1' bandwidth='1'><BaseURL>{url}</BaseURL></Representation>\
         </AdaptationSet></Period></MPD>"
    )
}

/// A `QuickTime` film whose track says that its data are in another file (`alis`, as `FFmpeg` reads it). Nobody follows
/// it, so there is nothing to show.
fn external_track(neighbour: &Neighbour) -> File {
    let film = made(
        "x.mov",
        "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -c:v mjpeg -pix_fmt yuvj420p",
    );
    let path = neighbour.film().into_bytes();
    let mut alias = vec![0; 4 + 10 + 1 + 27 + 12];
    alias.push(u8::try_from("secret.mp4".len()).unwrap());
    alias.extend(b"secret.mp4");
    alias.resize(4 + 10 + 1 + 27 + 12 + 1 + 63 + 16, 0);
    alias.extend([0, 1, 0, 1]);
    alias.resize(alias.len() + 16, 0);
    alias.extend([0, 2]);
    alias.extend(u16::try_from(path.len()).unwrap().to_be_bytes());
    alias.extend(&path);
    alias.resize(alias.len() + path.len() % 2, 0);
    alias.extend([0xFF, 0xFF, 0, 0]);
    let entry = atom(*b"alis", &alias);
    let dref = find(&film, b"dref") - 4;
    let old = usize::try_from(be32(&film, dref)).unwrap();
    let fresh = atom(*b"dref", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
    let mut bytes = [&film[..dref], &fresh, &film[dref + old..]].concat();
    let more = u32::try_from(fresh.len() - old).unwrap();
    for parent in [b"moov", b"trak", b"mdia", b"minf", b"dinf"] {
        let at = find(&bytes, parent) - 4;
        let size = be32(&bytes, at) + more;
        bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    let expected = Expected::OnlyProbed(FailureCode::CorruptInput, Content::SilentFilm);
    file("external track mov", bytes, expected)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// ID3 can name its picture by an address ("-->"), which nobody follows.
fn cover_by_link(neighbour: &Neighbour) -> File {
    let sound = made(
        "x.mp3",
        "-f lavfi -i sine=d=1 -c:a libmp3lame -id3v2_version 0",
    );
    let picture = [b"\0-->\0\x03\0", neighbour.url().as_bytes()].concat();
    let bytes = [super::bombs::id3(&picture), sound].concat();
    file("cover by link mp3", bytes, Expected::Works(Content::Sound))
}
