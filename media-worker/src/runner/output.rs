//! Reads what a child writes, all of it, and keeps a bounded part.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What is kept of standard error, in bytes.
const MAX_DIAGNOSTICS_BYTES: usize = 8 * 1024;
const CHUNK_BYTES: usize = 8 * 1024;

/// Reads to the end and keeps the first 8 KiB as printable text; the rest is read and dropped, so that
/// the child is never blocked by a full pipe.
pub(super) async fn read_diagnostics(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut kept = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    // A read error means that the pipe is gone, which is an end too.
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        let room = MAX_DIAGNOSTICS_BYTES - kept.len();
        kept.extend(chunk.iter().take(length.min(room)));
    }
    printable(&String::from_utf8_lossy(&kept))
}

/// Hands every chunk to `sink` until it says that this is enough.
pub(super) async fn read_chunks(
    mut pipe: impl AsyncRead + Unpin,
    mut sink: impl FnMut(&[u8]) -> bool,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        if !chunk.get(..length).is_some_and(&mut sink) {
            break;
        }
    }
}

/// Without control characters (but line ends) and within the limit again after lossy decoding.
fn printable(text: &str) -> String {
    let mut kept = String::new();
    for character in text.chars().filter(|c| *c == '\n' || !c.is_control()) {
        if kept.len() + character.len_utf8() > MAX_DIAGNOSTICS_BYTES {
            break;
        }
        kept.push(character);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn diagnostics_are_bounded_and_printable() {
        let flood = "\u{1b}[31mred\r\nline\0".repeat(10_000);
        let kept = read_diagnostics(flood.as_bytes()).await;
        assert!(kept.len() <= MAX_DIAGNOSTICS_BYTES && kept.len() > 5_000);
        assert!(kept.starts_with("[31mred\nline[31m"));
        assert!(!kept.contains(|c: char| c.is_control() && c != '\n'));
    }

    #[tokio::test]
    async fn broken_text_stays_within_the_limit() {
        let kept = read_diagnostics(vec![0xFF; 20_000].as_slice()).await;
        assert!(kept.len() <= MAX_DIAGNOSTICS_BYTES && kept.starts_with('\u{FFFD}'));
    }

    #[tokio::test]
    async fn a_sink_can_stop_the_reading() {
        let mut seen = 0;
        read_chunks(vec![1; 100_000].as_slice(), |chunk| {
            seen += chunk.len();
            seen < 10_000
        })
        .await;
        assert!((10_000..20_000).contains(&seen));
    }
}
