//! The server's side of the worker's API: one typed call for each route, every call signed.
//!
//! It never retries and never decides: what an error means for a job is the caller's business. Every
//! call is bounded in time; a stream is bounded by the silence between two of its pieces.

mod error;
mod lines;
mod transport;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, TryStream};
use http::{Method, StatusCode};

pub use error::ClientError;

use crate::api::{
    DrainStatus, Health, JobEvent, JobKey, JobSpec, JobState, JobStatus, OutputFile, ServiceLimits,
    Sha256Digest,
};
use crate::auth::Keys;
use crate::endpoint::Endpoint;
use transport::{Content, Transport};

/// Talks to one worker. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WorkerClient {
    transport: Transport,
}

/// The answer to [`WorkerClient::put_job`].
#[derive(Debug, Clone, PartialEq)]
pub struct Reservation {
    /// False when the worker knew this very job already.
    pub created: bool,
    pub status: JobStatus,
}

impl WorkerClient {
    /// # Errors
    /// [`ClientError::Setup`] when the HTTP client cannot be built.
    pub fn new(endpoint: &Endpoint, keys: Keys) -> Result<Self, ClientError> {
        Ok(Self {
            transport: Transport::new(endpoint, keys)?,
        })
    }

    /// Reserves a slot. The same spec again is harmless; another spec or an older attempt is a
    /// [`ClientError::Conflict`]; all slots taken is [`ClientError::Busy`].
    pub async fn put_job(&self, key: JobKey, spec: &JobSpec) -> Result<Reservation, ClientError> {
        let response = self
            .transport
            .json(Method::PUT, &job_path(key, ""), spec)
            .await?;
        let created = response.status() == StatusCode::CREATED;
        Ok(Reservation {
            created,
            status: transport::decode(response).await?,
        })
    }

    /// Sends the input: exactly `size` bytes whose SHA-256 is `sha256`, as in the spec. There is no
    /// time limit for the whole; the worker ends a transfer that is too slow, and one that takes
    /// nothing for fifteen seconds is [`ClientError::Stalled`]. A worker that has the
    /// input already is not sent it again: refusing a body takes longer than asking first.
    pub async fn put_input<S>(
        &self,
        key: JobKey,
        size: u64,
        sha256: Sha256Digest,
        body: S,
    ) -> Result<JobStatus, ClientError>
    where
        S: TryStream<Ok = Bytes> + Send + 'static,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let status = self.status(key).await?;
        if matches!(
            status.state,
            JobState::Ready | JobState::Running | JobState::Succeeded
        ) {
            return Ok(status);
        }
        let content = Content::streamed(body, size, sha256);
        let response = self
            .transport
            .send(Method::PUT, &job_path(key, "/input"), content)
            .await?;
        transport::decode(response).await
    }

    /// Starts a job whose input is complete. Again: harmless.
    pub async fn start(&self, key: JobKey) -> Result<JobStatus, ClientError> {
        self.call(Method::POST, &job_path(key, "/start")).await
    }

    /// Where the job stands. Like every call for a job it also keeps the job alive: the worker kills
    /// a job that nobody has asked about for 60 s.
    pub async fn status(&self, key: JobKey) -> Result<JobStatus, ClientError> {
        self.call(Method::GET, &job_path(key, "")).await
    }

    /// Events with a `seq` above `after`, as they happen; ends after the result. A heartbeat comes
    /// every five seconds; fifteen seconds of silence are [`ClientError::Unreachable`].
    pub async fn events(
        &self,
        key: JobKey,
        after: u64,
    ) -> Result<impl Stream<Item = Result<JobEvent, ClientError>> + Send + use<>, ClientError> {
        let path = job_path(key, &format!("/events?after={after}"));
        let response = self
            .transport
            .send(Method::GET, &path, Content::Empty)
            .await?;
        Ok(lines::decode(transport::pieces(response)))
    }

    /// The manifest of a job that succeeded; empty for one that did not.
    pub async fn outputs(&self, key: JobKey) -> Result<Vec<OutputFile>, ClientError> {
        self.call(Method::GET, &job_path(key, "/outputs")).await
    }

    /// The bytes of one output. They come from an untrusted file: compare size and digest with the
    /// manifest, and check the format.
    pub async fn output(
        &self,
        key: JobKey,
        name: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, ClientError>> + Send + use<>, ClientError> {
        if !name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        {
            return Err(ClientError::NotFound);
        }
        let path = job_path(key, &format!("/outputs/{name}"));
        let response = self
            .transport
            .send(Method::GET, &path, Content::Empty)
            .await?;
        Ok(transport::pieces(response).boxed())
    }

    /// The outputs are stored: the worker may delete its files. Again: harmless.
    pub async fn ack(&self, key: JobKey) -> Result<JobStatus, ClientError> {
        self.call(Method::POST, &job_path(key, "/ack")).await
    }

    /// Kills what runs and deletes the files, in any state. Again: harmless.
    pub async fn cancel(&self, key: JobKey) -> Result<JobStatus, ClientError> {
        self.call(Method::DELETE, &job_path(key, "")).await
    }

    /// Every job that the worker remembers, to reconcile after a restart of either side.
    pub async fn jobs(&self) -> Result<Vec<JobStatus>, ClientError> {
        self.call(Method::GET, "/v1/jobs").await
    }

    pub async fn health(&self) -> Result<Health, ClientError> {
        self.call(Method::GET, "/v1/health").await
    }

    pub async fn limits(&self) -> Result<ServiceLimits, ClientError> {
        self.call(Method::GET, "/v1/limits").await
    }

    /// The worker's metrics in the Prometheus text format.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let response = self
            .transport
            .send(Method::GET, "/metrics", Content::Empty)
            .await?;
        transport::text(response).await
    }

    /// Makes the worker refuse new jobs; those that it has go on.
    pub async fn drain(&self) -> Result<DrainStatus, ClientError> {
        self.call(Method::POST, "/v1/drain").await
    }

    async fn call<T: serde::de::DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> Result<T, ClientError> {
        transport::decode(self.transport.send(method, path, Content::Empty).await?).await
    }
}

fn job_path(key: JobKey, rest: &str) -> String {
    format!("/v1/jobs/{key}{rest}")
}
