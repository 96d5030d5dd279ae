//! The wire types of the worker's HTTP API (v1), shared by the service and its client.
//!
//! Plain data: nothing here does I/O or makes a decision. Everything a caller can send is an integer,
//! an enum or a digest; there is no free text that could reach an `FFmpeg` argument.

mod digest;
mod error;
mod event;
mod failure;
mod job;
mod metadata;
mod service;

pub use digest::{DigestError, Sha256Digest};
pub use error::{ErrorBody, ErrorCode};
pub use event::{EventBody, JobEvent};
pub use failure::{Failure, FailureCode};
pub use job::{
    JobKey, JobLimits, JobResult, JobSpec, JobState, JobStatus, OutputFile, OutputRole, Params,
    Preset,
};
pub use metadata::{AudioStream, MediaMetadata, VideoStream};
pub use service::{DrainStatus, Health, PresetInfo, Sandbox, ServiceLimits};
