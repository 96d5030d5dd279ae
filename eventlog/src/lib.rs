//! The append-only log: one total order without gaps, in SQLite or PostgreSQL.
//!
//! Callers append with the version of the stream that they know. One writer a node takes everything that
//! waits into one transaction: positions, version checks, inline projections and the Merkle tree commit
//! together or not at all. Readers follow positions and can skip nothing. Streams are loaded through the
//! cqrs-es persistence crates. This crate knows no domain and never interprets a payload.

mod archive;
mod batch;
mod cache;
mod checkpoint;
mod database;
mod error;
mod event;
mod execute;
mod feed;
mod filter;
mod from_line;
mod line;
mod lines;
mod log;
mod merkle;
mod news;
mod noted;
mod postgres;
mod projection;
mod proof;
mod question;
mod reactor;
pub mod rebuild;
mod recent;
mod repository;
mod snapshot;
mod sqlite;
mod store;
mod tail;
#[cfg(feature = "testing")]
pub mod testing;
mod tiles;
mod transfer;
mod tree;
mod upcast;
mod value;

pub use archive::{
    ArchiveError, ArchiveLock, ArchiveSweep, Ending, Pruned, SEGMENT_EVENTS_MAX, Sealed,
    SegmentError, SegmentStore,
};
pub use checkpoint::{TRIES, TailFailure, TailState};
pub use database::{Database, Engine, Statement};
pub use error::{AppendError, DbError, ProjectionError};
pub use event::{
    Append, EVENTS_PER_APPEND_MAX, LINE_BYTES_MAX, Metadata, NewEvent, PAYLOAD_BYTES_MAX,
    RecordedEvent, event_id,
};
pub use execute::{CommandContext, ExecuteError, Outcome};
pub use feed::CommitObserver;
pub use filter::EventFilter;
pub use from_line::LineError;
pub use line::cloud_event_line;
pub use lines::{LineStream, Lines, SCAN_POSITIONS, Stretch};
pub use log::{Log, LogOptions};
pub use merkle::{Frontier, Hash, leaf_hash, root_of};
pub use noted::noting_appends;
pub use projection::{Change, Column, Kind, Projection, Table, fold};
pub use proof::{verify_consistency, verify_inclusion};
pub use question::{Question, Questions};
pub use reactor::{ReactError, Reactor, ReactorTail};
pub use snapshot::{SNAPSHOT_EVERY, Snapshotted};
pub use store::{LogContext, LogEventStore};
pub use tail::ProjectionTail;
pub use tiles::TILE_WIDTH;
pub use transfer::{Copied, CopyError, Expected, ImportError, Imported};
pub use tree::{Tree, TreeHead};
pub use upcast::{Upcasters, unreadable};
pub use value::{Row, Value};
