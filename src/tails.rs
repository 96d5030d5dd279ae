//! What follows the log on this node: how far each tail is behind, and what holds it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use eventlog::{DbError, ReactorTail, TailState};
use serde::Serialize;

use crate::app::App;
use crate::read_models::ReadModels;

/// How often the tails are looked at, in seconds.
pub const LOOK_EVERY_SECONDS: u64 = 2;
/// A node whose read models are further behind the log's head than this many events is not ready.
const READY_LAG_EVENTS: u64 = 10_000;

/// What a tail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TailKind {
    /// It keeps a read model.
    ReadModel,
    /// It reacts with commands.
    Reactor,
}

type Position = Box<dyn Fn() -> Option<u64> + Send + Sync>;

struct Watched {
    name: &'static str,
    kind: TailKind,
    position: Position,
}

/// The tails of this node.
#[derive(Default)]
pub struct Tails {
    watched: RwLock<Vec<Watched>>,
    seen: RwLock<BTreeMap<String, Seen>>,
}

impl std::fmt::Debug for Tails {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Tails")
    }
}

/// What the last look found of one tail.
#[derive(Debug, Clone)]
struct Seen {
    state: Option<TailState>,
    seconds_behind: u64,
}

/// One tail, as `/readyz` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct TailReport {
    kind: TailKind,
    /// `running`, `paused` or `parked`.
    state: &'static str,
    position: u64,
    events_behind: u64,
    seconds_behind: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parked_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Tails {
    /// Watches the tails of the read models.
    pub fn watch_read_models(&self, models: &ReadModels) {
        for (name, position) in models.watches() {
            self.watch(name, TailKind::ReadModel, move || Some(*position.borrow()));
        }
    }

    /// Watches a reactor.
    pub fn watch_reactor(&self, tail: &ReactorTail) {
        let position = tail.watch();
        self.watch(tail.name(), TailKind::Reactor, move || *position.borrow());
    }

    fn watch(
        &self,
        name: &'static str,
        kind: TailKind,
        position: impl Fn() -> Option<u64> + Send + Sync + 'static,
    ) {
        let watched = Watched {
            name,
            kind,
            position: Box::new(position),
        };
        let mut all = self.watched.write().unwrap_or_else(PoisonError::into_inner);
        all.push(watched);
    }

    /// Every tail that has begun, by name.
    pub fn reports(&self, head: u64) -> BTreeMap<&'static str, TailReport> {
        let watched = self.watched.read().unwrap_or_else(PoisonError::into_inner);
        let seen = self.seen.read().unwrap_or_else(PoisonError::into_inner);
        let report = |tail: &Watched| {
            let position = (tail.position)()?;
            Some((
                tail.name,
                report(tail.kind, position, head, seen.get(tail.name)),
            ))
        };
        watched.iter().filter_map(report).collect()
    }

    /// Whether the read models are as far as a node's must be that answers. One that is held is so on every node alike:
    /// taking a node out of service would not help.
    pub fn are_current(reports: &BTreeMap<&'static str, TailReport>) -> bool {
        reports.values().all(|report| {
            report.kind != TailKind::ReadModel
                || report.state != "running"
                || report.events_behind <= READY_LAG_EVENTS
        })
    }
}

fn report(kind: TailKind, position: u64, head: u64, seen: Option<&Seen>) -> TailReport {
    let state = seen.and_then(|seen| seen.state.as_ref());
    let parked = state.and_then(TailState::parked);
    let events_behind = head.saturating_sub(position);
    let seconds_behind = seen.map_or(0, |seen| seen.seconds_behind);
    TailReport {
        kind,
        state: match (state.and_then(|state| state.paused_at), parked) {
            (Some(_), _) => "paused",
            (None, Some(_)) => "parked",
            (None, None) => "running",
        },
        position,
        events_behind,
        seconds_behind: if events_behind == 0 {
            0
        } else {
            seconds_behind
        },
        parked_at: parked.map(|failure| failure.position),
        reason: parked.map(|failure| failure.reason.clone()),
    }
}

/// One look: what the database says of each tail, and the metrics.
///
/// # Errors
/// The database failed.
pub async fn look(app: Arc<App>, now: DateTime<Utc>) -> Result<(), DbError> {
    let states = app.database.tails().await?.into_iter();
    let mut states: BTreeMap<String, TailState> =
        states.map(|state| (state.name.clone(), state)).collect();
    let head = *app.log.watch_head().borrow();
    show_archived(app.database.archived_position().await?);
    for (name, report) in app.tails.reports(head) {
        let state = states.remove(name);
        let seconds_behind = match report.events_behind {
            0 => 0,
            _ => seconds_behind(&app, report.position, now).await?,
        };
        tell(name, &report, state.as_ref(), seconds_behind);
        let seen = Seen {
            state,
            seconds_behind,
        };
        let mut all = app
            .tails
            .seen
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), seen);
    }
    Ok(())
}

/// How long the next event has waited.
async fn seconds_behind(app: &App, position: u64, now: DateTime<Utc>) -> Result<u64, DbError> {
    let next = app.log.read_all(position, 1).await?;
    let waited = next.first().map(|event| now - event.recorded_at);
    let seconds = waited.map_or(0, |waited| waited.num_seconds());
    Ok(u64::try_from(seconds).unwrap_or_default())
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more")]
fn show_archived(position: u64) {
    metrics::gauge!("gatelog_log_archived_position").set(position as f64);
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more")]
fn tell(tail: &'static str, report: &TailReport, state: Option<&TailState>, seconds: u64) {
    let is_parked = state.is_some_and(|state| state.parked().is_some());
    let is_paused = state.is_some_and(|state| state.paused_at.is_some());
    metrics::gauge!("gatelog_tail_lag_events", "tail" => tail).set(report.events_behind as f64);
    metrics::gauge!("gatelog_tail_lag_seconds", "tail" => tail).set(seconds as f64);
    metrics::gauge!("gatelog_tail_parked", "tail" => tail).set(f64::from(u8::from(is_parked)));
    metrics::gauge!("gatelog_tail_paused", "tail" => tail).set(f64::from(u8::from(is_paused)));
}
