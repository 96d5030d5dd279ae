//! `Upload-Checksum` of tus 1.0: the name of an algorithm and the digest in Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

/// The algorithms, as `Tus-Checksum-Algorithm` lists them. SHA-1 tells damage, not intent; clients know it best.
pub const ALGORITHMS: &str = "sha256,sha1";

/// What a piece must come to, and what it has come to so far.
pub struct Checksum {
    context: Context,
    wanted: Vec<u8>,
}

impl Checksum {
    /// Reads the header; `None` for another algorithm or a digest that is not of its length.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, digest) = text.split_once(' ')?;
        let algorithm: &'static Algorithm = match name {
            "sha256" => &SHA256,
            "sha1" => &SHA1_FOR_LEGACY_USE_ONLY,
            _ => return None,
        };
        let wanted = STANDARD.decode(digest.trim()).ok()?;
        (wanted.len() == algorithm.output_len()).then(|| Self {
            context: Context::new(algorithm),
            wanted,
        })
    }

    /// Takes in bytes of the piece.
    pub fn update(&mut self, bytes: &[u8]) {
        self.context.update(bytes);
    }

    /// Whether the whole piece is what was promised.
    pub fn fits(self) -> bool {
        self.context.finish().as_ref() == self.wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_algorithms_know_their_digests_and_nothing_else_is_taken() {
        for (text, fits) in [
            ("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", true),
            ("sha1 qZk+NkcGgWq6PiVxeFDCbJzQ2J4=", false),
            ("sha256 ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", true),
        ] {
            let mut checksum = Checksum::parse(text).unwrap();
            checksum.update(b"a");
            checksum.update(b"bc");
            assert_eq!(checksum.fits(), fits, "{text}");
        }
        for text in [
            "",
            "sha1",
            "md5 kAFQmDzST7DWlj99KOF/cg==",
            "sha1 qZk=",
            "sha1 !",
        ] {
            assert!(Checksum::parse(text).is_none(), "{text}");
        }
    }
}
