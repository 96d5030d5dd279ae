//! One media worker, and what this node knows of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aggregates::media_job::Preset;
use media_worker::api::{PresetInfo, ServiceLimits};
use media_worker::client::WorkerClient;

use super::breaker::{Breaker, CircuitState};
use super::worker_preset;
use crate::ports::clock;

/// A busy worker is offered nothing for this long, unless a job of this node ends there before.
const BUSY_PAUSE: Duration = Duration::from_millis(500);
/// A worker that is away, or does not know this server, is asked again after this long.
const AWAY_PAUSE: Duration = Duration::from_secs(2);
/// For this long after it had no room for an input it is offered none of that size.
const SHORT_OF_DISK: Duration = Duration::from_secs(30);
/// For this long it counts that it had none though it had nothing to do.
const TOO_SMALL: Duration = Duration::from_mins(10);
/// For this long after an attempt went wrong there, another worker is preferred.
const SHUNNED: Duration = Duration::from_secs(30);

/// What a preset asks of a worker, which keeps a slot for the quick ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// Done in a moment.
    Light,
    /// May take hours.
    Heavy,
}

impl Weight {
    /// Of a preset, as the worker's slots see it.
    pub fn of(preset: Preset) -> Self {
        if worker_preset(preset).is_quick() {
            Self::Light
        } else {
            Self::Heavy
        }
    }
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// Its address, which is its name in events and metrics.
    pub name: String,
    /// The way to it.
    pub client: WorkerClient,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    breaker: Breaker,
    away_until: Option<Instant>,
    busy_until: Option<Instant>,
    /// As `busy_until`, for heavy jobs alone.
    heavy_until: Option<Instant>,
    shunned_until: Option<Instant>,
    /// The input for which it had no room last.
    refused: Option<TooLarge>,
    /// Whether it had nothing to do, as it told last.
    is_idle: bool,
    /// What it knows, as it told last.
    presets: Option<Vec<PresetInfo>>,
}

/// An input for which a worker had no room.
#[derive(Debug, Clone, Copy)]
struct TooLarge {
    bytes: u64,
    at: Instant,
    /// Though it had nothing to do.
    was_idle: bool,
}

impl TooLarge {
    fn says_so_of(&self, bytes: u64, now: Instant, for_long: Duration) -> bool {
        bytes >= self.bytes && now.duration_since(self.at) < for_long
    }
}

fn is_later(time: Option<Instant>, now: Instant) -> bool {
    time.is_some_and(|time| now < time)
}

impl Worker {
    pub(super) fn new(name: String, client: WorkerClient) -> Self {
        let worker = Self {
            name,
            client,
            state: Mutex::default(),
        };
        worker.tell(CircuitState::Closed);
        worker
    }

    /// How many jobs of this weight may be offered now, as far as this node knows: `None` for any number.
    pub(super) fn allows(&self, weight: Weight, now: Instant) -> Option<usize> {
        let state = self.lock();
        let is_paused = is_later(state.away_until, now)
            || is_later(state.busy_until, now)
            || (weight == Weight::Heavy && is_later(state.heavy_until, now));
        if is_paused {
            return Some(0);
        }
        state.breaker.allows(now)
    }

    /// When it may be offered something again, if it may not now.
    pub(super) fn next_change(&self, now: Instant) -> Option<Instant> {
        let state = self.lock();
        let times = [
            state.away_until,
            state.busy_until,
            state.heavy_until,
            state.breaker.opens_at(),
        ];
        times.into_iter().flatten().filter(|time| now < *time).min()
    }

    /// Until when another worker is preferred, if one is.
    pub(super) fn shunned_until(&self, now: Instant) -> Option<Instant> {
        self.lock().shunned_until.filter(|until| now < *until)
    }

    /// It has said what it knows, and whether it has anything to do.
    pub(super) fn tells(&self, limits: &ServiceLimits) {
        self.lock().presets = Some(limits.presets.clone());
        self.is_idle(limits.free >= limits.slots.saturating_add(limits.light_slots));
    }

    /// Whether it has nothing to do.
    pub(super) fn is_idle(&self, is_idle: bool) {
        self.lock().is_idle = is_idle;
    }

    /// It has no room for an input of this size. That is an answer, and says nothing about smaller ones.
    pub fn lacks_room(&self, bytes: u64) {
        let at = clock::monotonic();
        let mut state = self.lock();
        state.refused = Some(TooLarge {
            bytes,
            at,
            was_idle: state.is_idle,
        });
        state.breaker.answered();
        self.tell(CircuitState::Closed);
    }

    /// Whether it may have room for an input of this size.
    pub(super) fn has_room(&self, bytes: u64, now: Instant) -> bool {
        let refused = self.lock().refused;
        !refused.is_some_and(|refused| refused.says_so_of(bytes, now, SHORT_OF_DISK))
    }

    /// Whether it had no room for such an input of late though it had nothing to do.
    pub(super) fn cannot_hold(&self, bytes: u64, now: Instant) -> bool {
        let refused = self.lock().refused;
        refused.is_some_and(|refused| refused.was_idle && refused.says_so_of(bytes, now, TOO_SMALL))
    }

    /// What it knows, if it has told.
    pub(super) fn presets(&self) -> Option<Vec<PresetInfo>> {
        self.lock().presets.clone()
    }

    /// A job is about to be offered.
    pub(super) fn begins(&self, now: Instant) {
        let mut state = self.lock();
        state.breaker.begins(now);
        self.tell(state.breaker.state(now));
    }

    /// It took a job.
    pub fn answered(&self) {
        let mut state = self.lock();
        state.breaker.answered();
        self.tell(CircuitState::Closed);
    }

    /// The job that was to be offered was not: another may be the trial.
    pub fn not_tried(&self) {
        self.lock().breaker.not_tried(clock::monotonic());
    }

    /// It had no slot for a job of this weight. That is an answer, too.
    pub fn busy(&self, weight: Weight) {
        let until = Some(clock::monotonic() + BUSY_PAUSE);
        let mut state = self.lock();
        match weight {
            Weight::Light => state.busy_until = until,
            Weight::Heavy => state.heavy_until = until,
        }
        state.breaker.answered();
        self.tell(CircuitState::Closed);
    }

    /// A job of this node ended there, so a slot is free.
    pub fn freed(&self) {
        let mut state = self.lock();
        state.busy_until = None;
        state.heavy_until = None;
    }

    /// An attempt was seen through to its end.
    pub fn succeeded(&self) {
        self.lock().breaker.succeeded();
        self.tell(CircuitState::Closed);
    }

    /// It did not do its part. What fails together counts once.
    pub fn failed(&self) {
        let now = clock::monotonic();
        let mut state = self.lock();
        state.shunned_until = Some(now + SHUNNED);
        if is_later(state.away_until, now) {
            return;
        }
        state.away_until = Some(now + AWAY_PAUSE);
        metrics::counter!("gatelog_media_worker_failures_total", "worker" => self.name.clone())
            .increment(1);
        if state.breaker.failed(now) {
            tracing::warn!(
                worker = self.name,
                "a media worker keeps failing and is left alone for a while"
            );
        }
        self.tell(state.breaker.state(now));
    }

    /// An attempt went wrong there by what may be the machine's fault.
    pub fn shun(&self) {
        self.lock().shunned_until = Some(clock::monotonic() + SHUNNED);
    }

    /// Where its circuit stands.
    pub fn circuit(&self) -> CircuitState {
        self.lock().breaker.state(clock::monotonic())
    }

    /// Tells the metrics where its circuit stands, which time alone may have changed.
    pub(super) fn show_circuit(&self) {
        self.tell(self.circuit());
    }

    /// The name is one of the settings', so there are few.
    fn tell(&self, circuit: CircuitState) {
        metrics::gauge!("gatelog_media_worker_circuit", "worker" => self.name.clone())
            .set(f64::from(circuit.number()));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
