//! Signed notes (C2SP signed-note) with Ed25519: keys, signatures, and their texts.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What a private key's text begins with.
const PRIVATE: &str = "PRIVATE+KEY+";
/// What a signature's line begins with.
const DASH: &str = "\u{2014} ";
/// Signatures of one note that are looked at.
const SIGNATURES_MAX: usize = 64;

/// What a key signs, as the first byte of its encoding says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A note's text.
    Note,
    /// A checkpoint and the time at which a witness saw it (C2SP tlog-cosignature).
    Cosignature,
}

impl KeyKind {
    fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

/// A public key with its name: `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    key: [u8; 32],
}

impl VerifierKey {
    /// The name of who signs; a log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    fn encoded(&self) -> [u8; 33] {
        let mut encoded = [self.kind.byte(); 33];
        for (to, from) in encoded.iter_mut().skip(1).zip(self.key) {
            *to = from;
        }
        encoded
    }

    /// Names the key in a signature; not unique against somebody who wants it not to be.
    pub fn id(&self) -> [u8; 4] {
        let hash: [u8; 32] = Sha256::new()
            .chain_update(&self.name)
            .chain_update("\n")
            .chain_update(self.encoded())
            .finalize()
            .into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// Whether one of the note's signatures is this key's and good.
    pub fn has_signed(&self, note: &Note) -> bool {
        note.signatures
            .iter()
            .any(|line| self.accepts(&note.text, line))
    }

    /// Whether a signature is this key's and good for the text.
    pub fn accepts(&self, text: &str, line: &Signature) -> bool {
        if line.name != self.name || line.id != self.id() {
            return false;
        }
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        match self.kind {
            KeyKind::Note => key.verify(text.as_bytes(), &line.bytes).is_ok(),
            KeyKind::Cosignature => {
                let Some((time, signature)) = line.bytes.split_first_chunk::<8>() else {
                    return false;
                };
                let seconds = u64::from_be_bytes(*time);
                key.verify(cosigned(text, seconds).as_bytes(), signature)
                    .is_ok()
            }
        }
    }
}

/// What a witness signs.
fn cosigned(text: &str, seconds: u64) -> String {
    format!("cosignature/v1\ntime {seconds}\n{text}")
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, key) = (hex::encode(self.id()), STANDARD.encode(self.encoded()));
        write!(formatter, "{}+{id}+{key}", self.name)
    }
}

impl FromStr for VerifierKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str = "must be a key as <name>+<8 hexadecimal characters>+<base64>";
        let (name, rest) = text.trim().split_once('+').ok_or(WANTED)?;
        let (id, key) = rest.split_once('+').ok_or(WANTED)?;
        let encoded: [u8; 33] = STANDARD
            .decode(key)
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(WANTED)?;
        let [kind, key @ ..] = encoded;
        let kind = match kind {
            1 => KeyKind::Note,
            4 => KeyKind::Cosignature,
            _ => return Err("must be an Ed25519 key"),
        };
        let name = name.to_owned();
        let parsed = Self { name, kind, key };
        if hex::encode(parsed.id()) == id && is_name(&parsed.name) {
            Ok(parsed)
        } else {
            Err("is a key whose name does not fit to it")
        }
    }
}

/// Whether a text can name a key.
pub fn is_name(name: &str) -> bool {
    let is_bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    !name.is_empty() && name.len() <= 200 && !name.contains(is_bad)
}

/// A private key with its name.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: VerifierKey,
}

impl SigningKey {
    /// The key of a seed; `None` when the name cannot be one.
    pub fn new(name: &str, kind: KeyKind, seed: &[u8; 32]) -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
        let key = pair.public_key().as_ref().try_into().ok()?;
        let name = is_name(name).then(|| name.to_owned())?;
        Some(Self {
            seed: Zeroizing::new(*seed),
            pair,
            public: VerifierKey { name, kind, key },
        })
    }

    /// Reads `PRIVATE+KEY+<name>+<id>+<key>`.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix(PRIVATE)?;
        let (name, rest) = rest.split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let decoded = Zeroizing::new(STANDARD.decode(key).ok()?);
        let (kind, seed) = decoded.split_first()?;
        if *kind != KeyKind::Note.byte() {
            return None;
        }
        let key = Self::new(name, KeyKind::Note, seed.try_into().ok()?)?;
        (hex::encode(key.public.id()) == id).then_some(key)
    }

    /// The text that [`Self::parse`] reads.
    pub fn encode(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(vec![self.public.kind.byte()]);
        bytes.extend_from_slice(self.seed.as_slice());
        let key = Zeroizing::new(STANDARD.encode(&bytes));
        let (name, id) = (&self.public.name, hex::encode(self.public.id()));
        Zeroizing::new(format!("{PRIVATE}{name}+{id}+{}", key.as_str()))
    }

    /// The key's public half.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// The note of a text, which ends with a line end.
    pub fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(text.as_bytes());
        format!("{text}\n{}", self.line(signature.as_ref()))
    }

    /// A witness' line for a checkpoint that it saw at this time.
    pub fn cosign(&self, text: &str, seconds: u64) -> String {
        let signature = self.pair.sign(cosigned(text, seconds).as_bytes());
        self.line(&[&seconds.to_be_bytes(), signature.as_ref()].concat())
    }

    fn line(&self, signature: &[u8]) -> String {
        let bytes = [self.public.id().as_slice(), signature].concat();
        format!("{DASH}{} {}\n", self.public.name, STANDARD.encode(bytes))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({})", self.public)
    }
}

/// A signature's line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Signature {
    /// Reads a line without its end.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = STANDARD.decode(encoded).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let (id, bytes) = (*id, signature.to_vec());
        is_name(name).then(|| Self {
            name: name.to_owned(),
            id,
            bytes,
        })
    }
}

/// A text with its signatures, of which nothing is believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The text, with its last line end.
    pub text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(note: &str) -> Result<Self, &'static str> {
        let (text, lines) = note.rsplit_once("\n\n").ok_or("has no signatures")?;
        if text.chars().any(|c| c.is_control() && c != '\n') {
            return Err("has control characters");
        }
        let lines = lines
            .strip_suffix('\n')
            .ok_or("does not end with a line end")?;
        let signatures = lines
            .split('\n')
            .take(SIGNATURES_MAX + 1)
            .map(Signature::parse);
        let signatures: Option<Vec<_>> = signatures.collect();
        let signatures = signatures.ok_or("has a line that is no signature")?;
        if signatures.len() > SIGNATURES_MAX {
            return Err("has too many signatures");
        }
        Ok(Self {
            text: format!("{text}\n"),
            signatures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, made by Go's `sumdb/note`.
    const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    const ENIGMA: &str = "If you think cryptography is the answer to your problem,\n\
        then you don't know what your problem is.\n\n\
        \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const PRIVATE_PETER: &str =
        "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

    #[test]
    fn keys_and_notes_are_those_of_go() {
        let key: VerifierKey = PETER.parse().unwrap();
        assert_eq!(key.to_string(), PETER);
        let note = Note::parse(ENIGMA).unwrap();
        assert!(key.has_signed(&note));
        let private = SigningKey::parse(PRIVATE_PETER).unwrap();
        assert_eq!(private.public(), &key);
        assert_eq!(private.encode().as_str(), PRIVATE_PETER);
        assert_eq!(private.sign(&note.text), ENIGMA);
        assert!(!format!("{private:?}").contains("AYEKFALV"));
    }

    #[test]
    fn another_text_another_key_and_another_name_are_not_taken() {
        let key: VerifierKey = PETER.parse().unwrap();
        let changed = ENIGMA.replace("cryptography", "Cryptography");
        assert!(!key.has_signed(&Note::parse(&changed).unwrap()));
        let other = SigningKey::new("PeterNeumann", KeyKind::Note, &[7; 32]).unwrap();
        assert!(!key.has_signed(&Note::parse(&other.sign("a\n")).unwrap()));
        assert!(
            PETER
                .replace("Peter", "Petra")
                .parse::<VerifierKey>()
                .is_err()
        );
        for bad in [
            "",
            "a\n",
            "a\n\n",
            "a\n\nb\n",
            "a\n\n\u{2014} n AAAA",
            "a\n\n\u{2014} n A\n",
        ] {
            assert!(Note::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_witness_signs_the_time_as_well() {
        let witness = SigningKey::new("w", KeyKind::Cosignature, &[7; 32]).unwrap();
        let line = witness.cosign("o\n1\nx\n", 7);
        let mut signature = Signature::parse(line.trim_end()).unwrap();
        let key: VerifierKey = witness.public().to_string().parse().unwrap();
        assert!(key.accepts("o\n1\nx\n", &signature));
        assert!(!key.accepts("o\n2\nx\n", &signature));
        signature.bytes[7] ^= 1;
        assert!(!key.accepts("o\n1\nx\n", &signature));
    }
}
