//! Signed links: a file or an output of a job for whoever has the link, until it runs out.
//!
//! A link is its own proof and is stored nowhere: what it opens and until when, with an HMAC-SHA-256 over both under
//! a key of its own. It never says whose the file is, and it opens nothing once the file is deleted.

use aggregates::values::{JobId, MediaId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::keyring::Keyring;

const KIND_CONTENT: u8 = 1;
const KIND_OUTPUT: u8 = 2;
const KIND_JOB: u8 = 3;
/// Kind, media, job, end in seconds since the epoch.
const CLAIM_BYTES: usize = 1 + 16 + 16 + 8;
const SIGNATURE_BYTES: usize = 32;
/// The last segment of a link to the file itself.
pub const CONTENT_NAME: &str = "content";

/// What a link opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The file itself.
    Content,
    /// One output.
    Output(JobId, String),
    /// Every output of a job, so that a playlist can name them by their names alone.
    Job(JobId),
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The file, or the one that the job worked on.
    pub media: MediaId,
    /// What of it.
    pub scope: Scope,
    /// Good before this; whole seconds.
    pub expires_at: DateTime<Utc>,
}

impl Link {
    /// The segment of the URL that proves the right to what follows it.
    pub fn seal(&self, keys: &Keyring) -> String {
        let (kind, job, name) = match &self.scope {
            Scope::Content => (KIND_CONTENT, Uuid::nil(), ""),
            Scope::Output(job, name) => (KIND_OUTPUT, (*job).into(), name.as_str()),
            Scope::Job(job) => (KIND_JOB, (*job).into(), ""),
        };
        let claim = [
            [kind].as_slice(),
            Uuid::from(self.media).as_bytes(),
            job.as_bytes(),
            &self.expires_at.timestamp().to_be_bytes(),
        ]
        .concat();
        let signature = keys.link_signature(&[&claim, name.as_bytes()]);
        URL_SAFE_NO_PAD.encode([claim.as_slice(), &signature].concat())
    }

    /// The link that `sealed` and the `name` after it are; `None` for one that is forged or has run out.
    pub fn open(sealed: &str, name: &str, keys: &Keyring, now: DateTime<Utc>) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        if bytes.len() != CLAIM_BYTES + SIGNATURE_BYTES {
            return None;
        }
        let (claim, signature) = bytes.split_at_checked(CLAIM_BYTES)?;
        let (kind, rest) = claim.split_first()?;
        let signed_name = if *kind == KIND_OUTPUT { name } else { "" };
        if !keys.is_link_signature(&[claim, signed_name.as_bytes()], signature) {
            return None;
        }
        let (media, rest) = rest.split_at_checked(16)?;
        let (job, end) = rest.split_at_checked(16)?;
        let job = JobId::from(Uuid::from_slice(job).ok()?);
        let scope = match *kind {
            KIND_CONTENT if name == CONTENT_NAME => Scope::Content,
            KIND_OUTPUT => Scope::Output(job, name.to_owned()),
            KIND_JOB => Scope::Job(job),
            _ => return None,
        };
        let seconds = i64::from_be_bytes(end.try_into().ok()?);
        let expires_at = DateTime::from_timestamp(seconds, 0).filter(|end| now < *end)?;
        Some(Self {
            media: MediaId::from(Uuid::from_slice(media).ok()?),
            scope,
            expires_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{clock, ids};

    fn link(scope: Scope) -> Link {
        let end = clock::now().timestamp() + 60;
        Link {
            media: MediaId::from(ids::new_id()),
            scope,
            expires_at: DateTime::from_timestamp(end, 0).unwrap(),
        }
    }

    fn scopes() -> [(Scope, &'static str); 3] {
        let job = JobId::from(ids::new_id());
        [
            (Scope::Content, "content"),
            (Scope::Output(job, "web.mp4".to_owned()), "web.mp4"),
            (Scope::Job(job), "v360p.m4s"),
        ]
    }

    #[test]
    fn a_link_opens_as_it_was_made_until_it_runs_out() {
        let keys = Keyring::for_test(1);
        for (scope, name) in scopes() {
            let link = link(scope);
            let sealed = link.seal(&keys);
            let open = |now| Link::open(&sealed, name, &keys, now);
            assert_eq!(open(clock::now()).as_ref(), Some(&link));
            assert_eq!(open(link.expires_at), None, "at its end it is over");
            assert_eq!(
                Link::open(&sealed, name, &Keyring::for_test(2), clock::now()),
                None
            );
        }
    }

    #[test]
    fn no_changed_bit_of_a_link_goes_unnoticed() {
        let keys = Keyring::for_test(1);
        for (scope, name) in scopes() {
            let bytes = URL_SAFE_NO_PAD.decode(link(scope).seal(&keys)).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut forged = bytes.clone();
                forged[bit / 8] ^= 1 << (bit % 8);
                let forged = URL_SAFE_NO_PAD.encode(forged);
                assert_eq!(
                    Link::open(&forged, name, &keys, clock::now()),
                    None,
                    "{bit}"
                );
            }
        }
    }

    #[test]
    fn a_link_to_one_output_opens_no_other() {
        let keys = Keyring::for_test(1);
        for (scope, _) in scopes().into_iter().take(2) {
            let sealed = link(scope).seal(&keys);
            for name in ["", "web.mp5", "master.m3u8"] {
                assert_eq!(
                    Link::open(&sealed, name, &keys, clock::now()),
                    None,
                    "{name}"
                );
            }
        }
        for text in ["", "AAAA", "=", "%00", &"A".repeat(98), &"A".repeat(10_000)] {
            assert_eq!(Link::open(text, "content", &keys, clock::now()), None);
        }
    }
}
