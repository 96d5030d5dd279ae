//! A witness (C2SP tlog-witness): sees each checkpoint with the proof that its tree goes on from the one before, and
//! signs that it has seen no other. What it says is believed only as far as its signature goes.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use eventlog::Tree;
use http::{Request, StatusCode};
use http_body_util::Full;

use super::checkpoint::decimal;
use super::note::{Note, Signature};
use super::{NotaryError, Signed};
use crate::config::WitnessConfig;
use crate::ports::http_client::{HttpClient, HttpClientError, text};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// Why there is no cosignature.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// The witness has seen more of this log than there is.
    #[error("the witness has seen {0} events of this log, more than there are")]
    Ahead(u64),
    /// The witness has seen another tree of so many events.
    #[error("the witness refuses the checkpoint: it has seen another history of {0} events")]
    Forked(u64),
    /// The witness refuses, or does not know this log.
    #[error("the witness refuses the checkpoint: {0}")]
    Refused(StatusCode),
    /// Its answer is not a signature by its key.
    #[error("the witness' answer is not a signature of its key")]
    BadSignature,
    /// It did not answer.
    #[error("the witness did not answer in time")]
    Late,
    /// It did not answer.
    #[error("the witness did not answer: {0}")]
    Failed(#[from] HttpClientError),
    /// The proof could not be made.
    #[error(transparent)]
    Notary(#[from] NotaryError),
}

/// The witness of a log.
#[derive(Debug)]
pub struct Witness {
    config: WitnessConfig,
    client: HttpClient,
    /// The tree that it saw last, as far as is known.
    seen: u64,
}

impl Witness {
    /// The witness of the settings.
    pub fn new(config: WitnessConfig) -> Self {
        Self {
            config,
            client: HttpClient::default(),
            seen: 0,
        }
    }

    /// The checkpoint with the witness' signature below it.
    ///
    /// # Errors
    /// See [`WitnessError`].
    pub async fn cosign(&mut self, tree: &Tree, signed: &Signed) -> Result<Signed, WitnessError> {
        let cosigned = tokio::time::timeout(PATIENCE, self.try_cosign(tree, signed)).await;
        cosigned.map_err(|_| WitnessError::Late)?
    }

    /// The witness says what it saw last, when that is not what was thought.
    async fn try_cosign(&mut self, tree: &Tree, signed: &Signed) -> Result<Signed, WitnessError> {
        let size = signed.checkpoint.tree.size;
        let (status, answer) = self.submit(tree, signed).await?;
        let (status, answer) = match decimal(answer.trim_end()) {
            Some(seen) if status == StatusCode::CONFLICT && seen != self.seen => {
                if seen > size {
                    return Err(WitnessError::Ahead(seen));
                }
                self.seen = seen;
                self.submit(tree, signed).await?
            }
            _ => (status, answer),
        };
        // Between the two another node may have shown it more.
        let other = decimal(answer.trim_end()).filter(|seen| *seen != self.seen);
        match (status, other) {
            (StatusCode::OK, _) => {}
            (StatusCode::CONFLICT, Some(seen)) => return Err(WitnessError::Ahead(seen)),
            (StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY, _) => {
                return Err(WitnessError::Forked(self.seen));
            }
            _ => return Err(WitnessError::Refused(status)),
        }
        let cosigned = self.take(signed, &answer)?;
        self.seen = size;
        Ok(cosigned)
    }

    async fn submit(
        &self,
        tree: &Tree,
        signed: &Signed,
    ) -> Result<(StatusCode, String), WitnessError> {
        let proof = tree
            .consistency_proof(self.seen, signed.checkpoint.tree.size)
            .await;
        let proof = proof.map_err(NotaryError::from)?.unwrap_or_default();
        let proof: String = proof
            .iter()
            .map(|hash| STANDARD.encode(hash) + "\n")
            .collect();
        let body = format!("old {}\n{proof}\n{}", self.seen, signed.note);
        let request = Request::post(format!("{}/add-checkpoint", self.config.url))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| NotaryError::File(error.to_string()))?;
        let answer = self.client.send(request).await?;
        let status = answer.status();
        Ok((status, text(answer.into_body(), ANSWER_BYTES_MAX).await?))
    }

    /// Only lines of the witness' own key are taken.
    fn take(&self, signed: &Signed, answer: &str) -> Result<Signed, WitnessError> {
        let note = Note::parse(&signed.note).map_err(|_| WitnessError::BadSignature)?;
        let is_its_own = |line: &&str| {
            Signature::parse(line).is_some_and(|line| self.config.key.accepts(&note.text, &line))
        };
        let line = answer.lines().find(is_its_own);
        let line = line.ok_or(WitnessError::BadSignature)?;
        Ok(Signed {
            note: format!("{}{line}\n", signed.note),
            ..signed.clone()
        })
    }
}
