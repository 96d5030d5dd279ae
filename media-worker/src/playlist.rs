//! Reads HLS playlists (RFC 8216) that came out of a job: only what a preset writes is accepted. A playlist
//! tells a player what to fetch next, so every reference must be a known file of the same job.

/// The longest playlist, in bytes: two hours of segments need about a tenth.
pub const MAX_PLAYLIST_BYTES: u64 = 1024 * 1024;

/// Tags of a variant that hold numbers or nothing.
const VARIANT_TAGS: [&str; 6] = [
    "#EXT-X-VERSION:",
    "#EXT-X-TARGETDURATION:",
    "#EXT-X-MEDIA-SEQUENCE:",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    "#EXT-X-INDEPENDENT-SEGMENTS",
    "#EXTINF:",
];

/// Whether the text is a master playlist of exactly these variants, in this order.
pub fn is_master(text: &str, variants: &[&str]) -> bool {
    let mut lines = text.lines();
    let is_playlist = lines.next() == Some("#EXTM3U");
    let is_tag = |line: &&str| {
        line.is_empty()
            || is_numeric_tag(line, "#EXT-X-VERSION:")
            || line.starts_with("#EXT-X-STREAM-INF:") && !line.contains("://")
    };
    let rest: Vec<&str> = lines.filter(|line| !is_tag(line)).collect();
    is_playlist && !variants.is_empty() && rest == variants
}

/// Whether the text is a whole playlist of byte ranges of one file that has so many bytes.
pub fn is_variant(text: &str, segment: &str, segment_bytes: u64) -> bool {
    let Some(body) = text
        .strip_prefix("#EXTM3U\n")
        .and_then(|body| body.strip_suffix("#EXT-X-ENDLIST\n"))
    else {
        return false;
    };
    let is_known = |line: &str| {
        line == segment
            || VARIANT_TAGS
                .iter()
                .any(|tag| is_numeric_tag(line, tag) || line == *tag && !tag.ends_with(':'))
            || range_of(line, segment).is_some_and(|range| is_inside(range, segment_bytes))
    };
    body.lines().all(is_known) && body.lines().any(|line| line == segment)
}

fn is_numeric_tag(line: &str, tag: &str) -> bool {
    let value = tag.ends_with(':').then(|| line.strip_prefix(tag)).flatten();
    value.is_some_and(|value| {
        !value.is_empty()
            && value
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b',')
    })
}

/// The range of a segment, or of the head that every segment needs.
fn range_of<'a>(line: &'a str, segment: &str) -> Option<&'a str> {
    line.strip_prefix("#EXT-X-BYTERANGE:").or_else(|| {
        line.strip_prefix("#EXT-X-MAP:URI=\"")?
            .strip_prefix(segment)?
            .strip_prefix("\",BYTERANGE=\"")?
            .strip_suffix('"')
    })
}

/// `length@offset`.
fn is_inside(range: &str, bytes: u64) -> bool {
    let Some((length, offset)) = range.split_once('@') else {
        return false;
    };
    let (Ok(length), Ok(offset)) = (length.parse::<u64>(), offset.parse::<u64>()) else {
        return false;
    };
    length > 0 && offset.checked_add(length).is_some_and(|end| end <= bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASTER: &str = "#EXTM3U\n#EXT-X-VERSION:7\n\
                          #EXT-X-STREAM-INF:BANDWIDTH=1020800,RESOLUTION=640x360\nv360p.m3u8\n\n";
    const VARIANT: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n\
                           #EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n\
                           #EXT-X-INDEPENDENT-SEGMENTS\n\
                           #EXT-X-MAP:URI=\"v360p.m4s\",BYTERANGE=\"10@0\"\n#EXTINF:4.000000,\n\
                           #EXT-X-BYTERANGE:90@10\nv360p.m4s\n#EXT-X-ENDLIST\n";

    #[test]
    fn what_the_preset_writes_is_accepted() {
        assert!(is_master(MASTER, &["v360p.m3u8"]));
        assert!(is_variant(VARIANT, "v360p.m4s", 100));
    }

    #[test]
    fn a_playlist_that_leads_elsewhere_or_past_the_end_is_refused() {
        for (from, to) in [
            ("v360p.m4s\n", "file:///etc/passwd\n"),
            ("v360p.m4s\n", "../v360p.m4s\n"),
            ("v360p.m4s\n", "http://127.0.0.1/\n"),
            ("URI=\"v360p.m4s\"", "URI=\"http://127.0.0.1/\""),
            ("90@10", "91@10"),
            ("90@10", "0@10"),
            ("90@10", "18446744073709551615@10"),
            ("90@10", "90"),
            ("10@0", "-1@0"),
            ("#EXT-X-ENDLIST\n", ""),
            ("#EXT-X-VERSION:7", "#EXT-X-KEY:METHOD=AES-128,URI=\"k\""),
            ("PLAYLIST-TYPE:VOD", "PLAYLIST-TYPE:EVENT"),
            ("#EXTM3U", "#EXTM3V"),
        ] {
            let bad = VARIANT.replace(from, to);
            assert_ne!(bad, VARIANT, "{from}");
            assert!(!is_variant(&bad, "v360p.m4s", 100), "{to}");
        }
        for (from, to) in [
            ("v360p.m3u8\n", "v360p.m3u8\nv720p.m3u8\n"),
            ("v360p.m3u8\n", "http://127.0.0.1/\n"),
            ("v360p.m3u8\n", ""),
            ("#EXT-X-VERSION:7", "#EXT-X-MEDIA:URI=\"x\""),
            ("#EXTM3U", ""),
        ] {
            assert!(
                !is_master(&MASTER.replace(from, to), &["v360p.m3u8"]),
                "{to}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_line_of_somebody_elses_is_accepted(line in "\\PC{1,40}", at in 0..10_usize) {
            let mut lines: Vec<&str> = VARIANT.lines().collect();
            prop_assume!(!VARIANT.lines().any(|known| known == line) && line != "v360p.m4s");
            let is_reference = !line.starts_with('#');
            lines.insert(at, &line);
            prop_assert!(!is_reference || !is_variant(&(lines.join("\n") + "\n"), "v360p.m4s", 100));
        }
    }
}
