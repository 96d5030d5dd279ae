//! Files that somebody may well have: every accepted container, and what players stumble over.

use super::files::{Content, Expected, File, file, made, made_in};
use Content::{CoveredSound, Film, Picture, SilentFilm, Sound};

const VIDEO: &str = "-f lavfi -i testsrc2=s=64x48:r=10:d=1";
const SOUND: &str = "-f lavfi -i sine=d=1";
const BOTH: &str = "-f lavfi -i testsrc2=s=64x48:r=10:d=1 -f lavfi -i sine=d=1";
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";

pub fn files() -> Vec<File> {
    let mut all = films();
    all.extend(other_films());
    all.extend(sounds());
    all.extend(pictures());
    all.push(rotated());
    all.push(with_everything());
    all
}

/// The last word of the name is the ending.
fn of(name: &str, source: &str, args: &str, content: Content) -> File {
    let ending = name.rsplit(' ').next().unwrap();
    let bytes = made(&format!("x.{ending}"), &format!("{source} {args}"));
    file(name, bytes, Expected::Works(content))
}

fn films() -> Vec<File> {
    let odd = "-f lavfi -i testsrc2=s=63x47:r=10:d=1";
    let one = "-f lavfi -i testsrc2=s=64x48:r=10 -frames:v 1";
    let hd = "-f lavfi -i color=s=1920x1080:r=5:d=1 -f lavfi -i sine=d=1";
    vec![
        of(
            "moov first mp4",
            BOTH,
            &format!("{H264} -c:a aac -movflags +faststart"),
            Film,
        ),
        of("moov last mp4", BOTH, &format!("{H264} -c:a aac"), Film),
        of("silent mp4", VIDEO, H264, SilentFilm),
        of(
            "fragments mp4",
            BOTH,
            &format!("{H264} -c:a aac -movflags frag_keyframe+empty_moov"),
            Film,
        ),
        of(
            "odd sides mp4",
            odd,
            "-c:v libx264 -preset ultrafast -pix_fmt yuv444p",
            SilentFilm,
        ),
        of("one frame mp4", one, H264, SilentFilm),
        of(
            "full hd mp4",
            hd,
            &format!("{H264} -c:a aac -shortest"),
            Film,
        ),
        of(
            "hevc mp4",
            VIDEO,
            "-c:v libx265 -preset ultrafast -x265-params log-level=none",
            SilentFilm,
        ),
        of("av1 mp4", VIDEO, "-c:v libaom-av1 -cpu-used 8", SilentFilm),
    ]
}

fn other_films() -> Vec<File> {
    let two_sounds =
        format!("-map 0 -map 1 -map 2 {H264} -c:a:0 aac -c:a:1 dca -strict experimental");
    vec![
        of(
            "mov",
            BOTH,
            "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le",
            Film,
        ),
        of("prores mov", VIDEO, "-c:v prores_ks", SilentFilm),
        of("mkv", BOTH, &format!("{H264} -c:a flac"), Film),
        of(
            "vp8 webm",
            BOTH,
            "-c:v libvpx -deadline realtime -c:a libvorbis",
            Film,
        ),
        of(
            "vp9 webm",
            BOTH,
            "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -c:a libopus",
            Film,
        ),
        file("uneven webm", uneven_film(), Expected::Works(Film)),
        of("avi", BOTH, "-c:v mpeg4 -c:a libmp3lame", Film),
        of("flv", BOTH, &format!("{H264} -c:a aac -ar 44100"), Film),
        of("ts", BOTH, &format!("{H264} -c:a aac"), Film),
        of("mpg", BOTH, "-r 25 -c:v mpeg2video -c:a mp2", Film),
        of(
            "second sound in dts mkv",
            &format!("{BOTH} {SOUND}"),
            &two_sounds,
            Film,
        ),
        of("ogv", BOTH, "-c:v libtheora -c:a libvorbis", Film),
    ]
}

/// Nine seconds with sound as a browser records them: frames come when they come, at times that are whole milliseconds.
pub fn uneven_film() -> Vec<u8> {
    let source = "-f lavfi -i testsrc2=s=64x48:r=1000:d=9 -f lavfi -i sine=d=9";
    let frames = "-vf select=eq(mod(n\\,24)\\,0)+eq(mod(n\\,97)\\,0) -fps_mode passthrough";
    let codecs = "-c:v libvpx -deadline realtime -c:a libvorbis";
    made("x.webm", &format!("{source} {frames} {codecs}"))
}

fn sounds() -> Vec<File> {
    let of = |name: &str, args: &str| of(name, SOUND, args, Sound);
    let cover = "-f lavfi -i sine=d=1 -f lavfi -i testsrc2=s=64x48:d=1 -map 0 -map 1 -frames:v 1 -c:v png \
                 -c:a libmp3lame -id3v2_version 3 -disposition:v attached_pic";
    vec![
        of("wav", ""),
        of("float wav", "-c:a pcm_f32le"),
        of("surround flac", "-ac 6"),
        of("mp3", "-c:a libmp3lame"),
        of("vorbis ogg", "-c:a libvorbis -ac 2"),
        of("opus ogg", "-c:a libopus"),
        of("m4a", "-c:a aac"),
        of("alac m4a", "-c:a alac"),
        of("mka", "-c:a ac3"),
        file(
            "cover mp3",
            made("x.mp3", cover),
            Expected::Works(CoveredSound),
        ),
    ]
}

fn pictures() -> Vec<File> {
    let of = |name: &str, args: &str| of(name, VIDEO, args, Picture);
    let odd = "-frames:v 1 -vf scale=33:1";
    vec![
        of("png", "-frames:v 1"),
        of("transparent png", "-frames:v 1 -pix_fmt rgba"),
        of("deep png", "-frames:v 1 -pix_fmt rgb48be"),
        of("one line png", odd),
        of("jpg", "-frames:v 1 -pix_fmt yuvj420p"),
        of("still gif", "-frames:v 1"),
        of("moving gif", ""),
        of("webp", "-frames:v 1 -c:v libwebp"),
        of(
            "lossless webp",
            "-frames:v 1 -c:v libwebp -lossless 1 -pix_fmt bgra",
        ),
    ]
}

fn rotated() -> File {
    let folder = tempfile::tempdir().unwrap();
    made_in(
        folder.path(),
        "plain.mp4",
        &format!("{BOTH} {H264} -c:a aac"),
    );
    let bytes = made_in(
        folder.path(),
        "x.mp4",
        "-i plain.mp4 -c copy -metadata:s:v rotate=90",
    );
    file("rotated mp4", bytes, Expected::Works(Film))
}

/// Subtitles, chapters, an attachment and a second sound.
fn with_everything() -> File {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("x.srt"), "1\n00:00:00,000 --> 00:00:00,900\nhello\n").unwrap();
    let chapter = ";FFMETADATA1\ntitle=x\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=y\n";
    std::fs::write(at("x.meta"), chapter).unwrap();
    let args = format!(
        "{BOTH} -i x.srt -i x.meta -map 0 -map 1 -map 1 -map 2 -map_metadata 3 {H264} -c:a aac -attach x.meta \
         -metadata:s:t mimetype=application/octet-stream -metadata:s:t filename=../../escape"
    );
    let bytes = made_in(folder.path(), "x.mkv", &args);
    file("everything mkv", bytes, Expected::Works(Film))
}
