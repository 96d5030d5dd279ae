//! A batch of appends on its way into one transaction: planned without a database, built on a known head.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::event::event_id;
use crate::line::cloud_event_line;
use crate::merkle::{Frontier, leaf_hash};
use crate::projection::{Change, Projection, fold};
use crate::tiles::{Edge, TILE_WIDTH, Tile};
use crate::{Append, AppendError, DbError, RecordedEvent};

/// Payload bytes of one transaction; a single append may have more.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

pub(crate) type Reply = oneshot::Sender<Result<Vec<RecordedEvent>, AppendError>>;

/// An append that waits for its answer.
#[derive(Debug)]
pub(crate) struct Pending {
    pub append: Append,
    pub reply: Reply,
}

/// The head of the log: everything that the next append builds on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub recorded_at_micros: i64,
    pub frontier: Frontier,
}

impl Head {
    pub(crate) fn position(&self) -> u64 {
        self.frontier.size()
    }

    pub(crate) fn from_row(
        position: i64,
        recorded_at: i64,
        frontier: &[u8],
    ) -> Result<Self, DbError> {
        let size = u64::try_from(position).map_err(|_| DbError::decode("a negative position"))?;
        let frontier = Frontier::from_bytes(size, frontier)
            .ok_or_else(|| DbError::decode("a broken frontier"))?;
        Ok(Self {
            recorded_at_micros: recorded_at,
            frontier,
        })
    }
}

/// An append that cannot go in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conflict {
    Version { append: usize, actual: u64 },
    Duplicate { append: usize },
}

/// The first append of a stream in a batch; those that follow chain on to it.
#[derive(Debug)]
pub(crate) struct StreamCheck<'a> {
    pub append: usize,
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub expected_version: u64,
}

/// What a writer builds every batch with.
#[derive(Debug, Clone)]
pub(crate) struct Building {
    pub inline: Arc<[Arc<dyn Projection>]>,
    /// False only where the price of the Merkle tree is measured.
    pub has_tree: bool,
}

/// What goes into one transaction.
#[derive(Debug)]
pub(crate) struct Batch {
    pub appends: Vec<Pending>,
    building: Building,
    now: DateTime<Utc>,
    pub events: Vec<RecordedEvent>,
    pub changes: Vec<Change>,
    pub new_head: Head,
    /// The tree's right edge before the batch; unknown where another process has written.
    pub edge: Option<Edge>,
    /// And after it.
    pub new_edge: Option<Edge>,
    /// Tiles that the batch fills.
    pub tiles: Vec<Tile>,
}

impl Batch {
    /// Takes what fits into one transaction from `waiting` and leaves the rest in it, in order: appends of one
    /// stream go together only when they chain on to one another, so that each expected version is checked
    /// against the truth; a command goes in once.
    pub(crate) fn take(
        waiting: &mut Vec<Pending>,
        events_max: usize,
        building: Building,
        now: DateTime<Utc>,
    ) -> Self {
        let mut versions: HashMap<(String, String), Option<u64>> = HashMap::new();
        let mut commands: HashSet<Uuid> = HashSet::new();
        let (mut appends, mut later) = (Vec::new(), Vec::new());
        let (mut events, mut bytes) = (0, 0);
        for pending in waiting.drain(..) {
            let append = &pending.append;
            let stream = (append.aggregate_type.clone(), append.aggregate_id.clone());
            let follows = match versions.get(&stream) {
                None => true,
                Some(version) => *version == Some(append.expected_version),
            };
            let count = append.events.len();
            let size: usize = append.events.iter().map(|event| event.payload.len()).sum();
            let fits =
                appends.is_empty() || (events + count <= events_max && bytes + size <= BATCH_BYTES);
            if follows && fits && commands.insert(append.command_id) {
                versions.insert(stream, Some(append.expected_version + count as u64));
                events += count;
                bytes += size;
                appends.push(pending);
            } else {
                // What comes after a deferred append of the same stream waits behind it.
                versions.insert(stream, None);
                later.push(pending);
            }
        }
        *waiting = later;
        Self::new(appends, building, now)
    }

    fn new(appends: Vec<Pending>, building: Building, now: DateTime<Utc>) -> Self {
        Self {
            appends,
            building,
            now,
            events: Vec::new(),
            changes: Vec::new(),
            new_head: Head::default(),
            edge: None,
            new_edge: None,
            tiles: Vec::new(),
        }
    }

    /// Each append as a batch of its own, in order.
    pub(crate) fn singly(self) -> impl Iterator<Item = Self> {
        let (building, now) = (self.building, self.now);
        let appends = self.appends.into_iter();
        appends.map(move |pending| Self::new(vec![pending], building.clone(), now))
    }

    /// Whether the batch fills a tile whose beginning must be read first.
    pub(crate) fn wants_edge(&self, head: &Head) -> bool {
        let events: usize = self.appends.iter().map(|a| a.append.events.len()).sum();
        let (size, new) = (head.position(), head.position() + events as u64);
        let is_known = self.edge.as_ref().is_some_and(|edge| edge.size() == size);
        self.building.has_tree && !is_known && size / TILE_WIDTH != new / TILE_WIDTH
    }

    /// The stream versions to check.
    pub(crate) fn streams(&self) -> Vec<StreamCheck<'_>> {
        let mut seen: HashSet<(&str, &str)> = HashSet::with_capacity(self.appends.len());
        let appends = self.appends.iter().enumerate();
        let checks = appends.filter_map(|(append, pending)| {
            let (kind, id) = (
                pending.append.aggregate_type.as_str(),
                pending.append.aggregate_id.as_str(),
            );
            seen.insert((kind, id)).then_some(StreamCheck {
                append,
                aggregate_type: kind,
                aggregate_id: id,
                expected_version: pending.append.expected_version,
            })
        });
        checks.collect()
    }

    /// One identifier for each append: a command's events are in the log all or not at all.
    pub(crate) fn first_event_ids(&self) -> Vec<(usize, Uuid)> {
        let appends = self.appends.iter().enumerate();
        appends
            .map(|(n, pending)| (n, event_id(pending.append.command_id, 0)))
            .collect()
    }

    /// Gives every event its position, time and leaf, and runs the inline projections. An append that a
    /// projection refuses is answered and left out.
    pub(crate) fn build(&mut self, head: &Head) -> Result<(), DbError> {
        loop {
            match self.try_build(head)? {
                Ok(()) => return Ok(()),
                Err((append, error)) => {
                    let pending = self.appends.remove(append);
                    let _ = pending.reply.send(Err(error));
                }
            }
        }
    }

    fn try_build(&mut self, head: &Head) -> Result<Result<(), (usize, AppendError)>, DbError> {
        self.events.clear();
        let mut new_head = head.clone();
        let mut changes = Vec::new();
        new_head.recorded_at_micros = self.now.timestamp_micros().max(head.recorded_at_micros);
        let recorded_at = DateTime::from_timestamp_micros(new_head.recorded_at_micros)
            .ok_or_else(|| DbError::decode("a time out of range"))?;
        for (n, pending) in self.appends.iter().enumerate() {
            let first = self.events.len();
            record(
                &pending.append,
                recorded_at,
                &mut new_head.frontier,
                &mut self.events,
                self.building.has_tree,
            );
            for event in self.events.get(first..).unwrap_or_default() {
                for projection in self.building.inline.iter() {
                    if let Err(error) = projection.project(event, &mut changes) {
                        return Ok(Err((n, error.into())));
                    }
                }
            }
        }
        self.changes = fold(changes);
        self.new_head = new_head;
        self.extend_edge(head.position());
        Ok(Ok(()))
    }

    /// Where the edge is not known, what it would have filled is filled in later.
    fn extend_edge(&mut self, size: u64) {
        self.tiles.clear();
        let edge = self.edge.clone().filter(|edge| edge.size() == size);
        self.new_edge = edge.filter(|_| self.building.has_tree);
        if let Some(edge) = &mut self.new_edge {
            for event in &self.events {
                edge.push(event.leaf_hash, &mut self.tiles);
            }
        }
    }

    /// Answers the appends that conflict and keeps the others.
    pub(crate) fn refuse(&mut self, conflicts: &[Conflict]) {
        let mut refused: HashMap<usize, AppendError> = HashMap::new();
        for conflict in conflicts {
            match *conflict {
                // A command that is in the log already is told so, whatever its stream's version is by now.
                Conflict::Duplicate { append } => {
                    refused.insert(append, AppendError::DuplicateEvent);
                }
                Conflict::Version { append, actual } => {
                    let expected = self
                        .appends
                        .get(append)
                        .map_or(0, |pending| pending.append.expected_version);
                    refused
                        .entry(append)
                        .or_insert(AppendError::VersionConflict { expected, actual });
                }
            }
        }
        self.refuse_chained(&mut refused);
        let appends = std::mem::take(&mut self.appends);
        for (n, pending) in appends.into_iter().enumerate() {
            match refused.remove(&n) {
                Some(error) => drop(pending.reply.send(Err(error))),
                None => self.appends.push(pending),
            }
        }
    }

    /// What chained on to a refused append has lost its base.
    fn refuse_chained(&self, refused: &mut HashMap<usize, AppendError>) {
        let mut broken: HashMap<(&str, &str), u64> = HashMap::new();
        for (n, pending) in self.appends.iter().enumerate() {
            let stream = (
                pending.append.aggregate_type.as_str(),
                pending.append.aggregate_id.as_str(),
            );
            if let Some(actual) = broken.get(&stream) {
                let expected = pending.append.expected_version;
                refused.entry(n).or_insert(AppendError::VersionConflict {
                    expected,
                    actual: *actual,
                });
            }
            match refused.get(&n) {
                Some(AppendError::VersionConflict { actual, .. }) => {
                    broken.insert(stream, *actual);
                }
                Some(_) => {
                    broken.insert(stream, pending.append.expected_version);
                }
                None => {}
            }
        }
    }

    /// Answers every append with its events.
    pub(crate) fn answer(self) {
        let mut events = self.events.into_iter();
        for pending in self.appends {
            let own = events.by_ref().take(pending.append.events.len()).collect();
            // A caller that has gone does not want the answer; what was committed stays.
            let _ = pending.reply.send(Ok(own));
        }
    }

    /// Answers every append with a failure.
    pub(crate) fn fail(self, error: &AppendError) {
        tracing::error!(%error, appends = self.appends.len(), "a batch was not committed");
        for pending in self.appends {
            let answer = match error {
                AppendError::OutcomeUnknown => AppendError::OutcomeUnknown,
                other => DbError::from(sqlx::Error::Protocol(other.to_string())).into(),
            };
            let _ = pending.reply.send(Err(answer));
        }
    }
}

fn record(
    append: &Append,
    recorded_at: DateTime<Utc>,
    frontier: &mut Frontier,
    events: &mut Vec<RecordedEvent>,
    has_tree: bool,
) {
    let metadata = serde_json::to_string(&append.metadata).unwrap_or_else(|_| "{}".to_owned());
    for (n, event) in append.events.iter().enumerate() {
        let mut recorded = RecordedEvent {
            position: frontier.size() + 1,
            event_id: event_id(append.command_id, n),
            recorded_at,
            aggregate_type: append.aggregate_type.clone(),
            aggregate_id: append.aggregate_id.clone(),
            sequence: append.expected_version + n as u64 + 1,
            event_type: event.event_type.clone(),
            event_version: event.event_version.clone(),
            payload: event.payload.clone(),
            metadata: metadata.clone(),
            leaf_hash: [0; 32],
        };
        if has_tree {
            recorded.leaf_hash = leaf_hash(&cloud_event_line(&recorded));
            frontier.push(recorded.leaf_hash);
        } else {
            frontier.grow();
        }
        events.push(recorded);
    }
}
