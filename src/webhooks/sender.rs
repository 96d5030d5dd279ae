//! Sends the log to each sink: one task a sink, so that none waits for another; in order, at least once.
//!
//! The same message goes out again until the receiver takes it: its end is noted before it is sent, and whoever sends it
//! again reads up to there, so that it keeps its lines and its identifier.
//! On several nodes the one that has the sink's lease sends. When a node that has stalled goes on after its lease, the
//! receiver may get a message twice, with the same identifier, and the sink's position does not go back.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aggregates::values::WebhookSinkId;
use aggregates::webhook_sink::{WebhookFormat, WebhookSink, WebhookSinkCommand};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{DbError, EventFilter, Stretch};
use projections::webhook_sinks::{self, WebhookSinkRow};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::client::{DeliveryError, Message};
use super::deliveries::{self, Delivery, Failure};
use super::message::{Batch, message_id};
use super::{FORMER_SECRET_SIGNS, WebhookSecret};
use crate::app::{Acting, App};
use crate::lifecycle::Lifecycle;
use crate::ports::{clock, ids};

/// Events of one message.
const MESSAGE_EVENTS: usize = 256;
/// Positions that a sink may have passed without a write.
const UNWRITTEN: u64 = 20_000;
/// How often is looked for new sinks, and how long a sink waits at most before it looks again.
const LOOK: Duration = Duration::from_secs(1);
/// How often the stored position follows what was passed.
const NOTED: TimeDelta = TimeDelta::seconds(10);
/// The longest wait between two tries.
const LONGEST_SECONDS: u64 = 3600;
/// Secrets that sign one message.
const SIGNATURES_MAX: usize = 3;

/// Starts the sending.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let (app, stop) = (Arc::clone(app), lifecycle.stop_token());
    lifecycle.spawn("webhooks", async move { supervise(&app, &stop).await });
}

/// Keeps one task for each active sink.
async fn supervise(app: &Arc<App>, stop: &CancellationToken) {
    let mut tasks = JoinSet::new();
    let mut running: HashMap<WebhookSinkId, Running> = HashMap::new();
    let mut shown = HashSet::new();
    while !stop.is_cancelled() {
        while tasks.try_join_next().is_some() {}
        running.retain(|_, task| !task.handle.is_finished());
        match webhook_sinks::in_state(&app.database, "active").await {
            Ok(sinks) => {
                for sink in sinks {
                    let id = sink.webhook_sink_id;
                    running.entry(id).or_insert_with(|| {
                        let sender = Sender::new(app, id);
                        let passed = Arc::clone(&sender.passed);
                        let handle = tasks.spawn(sender.run(stop.clone()));
                        Running { handle, passed }
                    });
                }
            }
            Err(error) => tracing::warn!(%error, "the webhook sinks cannot be read"),
        }
        if let Err(error) = measure(app, &running, &mut shown).await {
            tracing::warn!(%error, "the webhook sinks cannot be measured");
        }
        stop.run_until_cancelled(tokio::time::sleep(LOOK)).await;
    }
    while tasks.join_next().await.is_some() {}
    if let Err(error) = deliveries::release(app, app.node_id).await {
        tracing::warn!(%error, "the webhook sinks of this node go to another one only after their lease");
    }
}

/// The task of a sink.
struct Running {
    handle: tokio::task::AbortHandle,
    /// How far it has looked; 0 when another node sends.
    passed: Arc<AtomicU64>,
}

/// Shows how far each sink is behind, whatever becomes of it: it is sent to here or by another node, it waits for its next
/// try, it is paused or parked. One that was removed is behind no more.
async fn measure(
    app: &App,
    running: &HashMap<WebhookSinkId, Running>,
    shown: &mut HashSet<WebhookSinkId>,
) -> Result<(), DbError> {
    let head = *app.log.watch_head().borrow();
    let parked = webhook_sinks::in_state(&app.database, "parked").await?;
    #[expect(clippy::cast_precision_loss, reason = "a metric needs no more")]
    metrics::gauge!("gatelog_webhook_sinks_parked").set(parked.len() as f64);
    let positions = deliveries::positions(app).await?;
    for gone in shown.iter().filter(|sink| !positions.contains_key(sink)) {
        show_lag(*gone, 0);
    }
    for (sink, position) in &positions {
        let passed = running.get(sink);
        let passed = passed.map_or(0, |task| task.passed.load(Ordering::Relaxed));
        show_lag(*sink, head.saturating_sub(passed.max(*position)));
    }
    *shown = positions.into_keys().collect();
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more")]
fn show_lag(sink: WebhookSinkId, behind: u64) {
    metrics::gauge!("gatelog_webhook_lag_events", "sink" => sink.to_string()).set(behind as f64);
}

/// What to do after a turn.
enum Next {
    /// There is more.
    GoOn,
    /// Nothing until the head moves.
    Idle,
    /// Nothing for so long.
    Wait(Duration),
    /// The sink is sent to no more.
    End,
}

/// Sends to one sink.
struct Sender {
    app: Arc<App>,
    id: WebhookSinkId,
    head: watch::Receiver<u64>,
    /// How far this task has looked behind the stored position, and found nothing for the sink.
    passed: Arc<AtomicU64>,
    leased_until: DateTime<Utc>,
    /// When the stored position is next brought to what was passed.
    note_at: DateTime<Utc>,
}

impl Sender {
    fn new(app: &Arc<App>, id: WebhookSinkId) -> Self {
        Self {
            head: app.log.watch_head(),
            app: Arc::clone(app),
            id,
            passed: Arc::default(),
            leased_until: DateTime::UNIX_EPOCH,
            note_at: DateTime::UNIX_EPOCH,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let next = self.turn().await.unwrap_or_else(|error| {
                tracing::warn!(sink = %self.id, %error, "a webhook sink is not served and will be tried again");
                Next::Wait(LOOK)
            });
            match next {
                Next::GoOn => {}
                Next::End => return,
                Next::Wait(time) => {
                    stop.run_until_cancelled(tokio::time::sleep(time)).await;
                }
                Next::Idle => tokio::select! {
                    () = stop.cancelled() => {}
                    _ = self.head.changed() => {}
                    () = tokio::time::sleep(LOOK) => {}
                },
            }
        }
    }

    /// Sends at most one message.
    async fn turn(&mut self) -> Result<Next, super::WebhooksError> {
        let app = Arc::clone(&self.app);
        let sink = webhook_sinks::find(&app.database, self.id).await?;
        let Some(sink) = sink.filter(|sink| sink.state == "active") else {
            return Ok(Next::End);
        };
        if !self.lease(clock::now()).await? {
            return Ok(Next::Wait(LOOK));
        }
        let Some(mut delivery) = deliveries::find(&app, self.id).await? else {
            return Ok(Next::Wait(LOOK));
        };
        let now = clock::now();
        if delivery.failed_at <= clock::micros(sink.tries_since) {
            (delivery.attempts, delivery.due_at) = (0, 0);
        }
        let wait = delivery.due_at - clock::micros(now);
        if wait > 0 {
            let wait = Duration::from_micros(wait.unsigned_abs());
            return Ok(Next::Wait(wait.min(LOOK)));
        }
        let head = *self.head.borrow_and_update();
        if delivery.position.max(delivery.tried_up_to) > head
            && let Some(next) = self.beyond(&delivery, now).await?
        {
            return Ok(next);
        }
        let after = delivery.position.max(self.passed.load(Ordering::Relaxed));
        // Another node, which tried it, may know more than this one does yet.
        let is_tried = delivery.tried_up_to > after;
        let up_to = if is_tried { delivery.tried_up_to } else { head };
        if after >= up_to {
            return self.note(&delivery, after, now).await;
        }
        let batch = self.read(&sink, Stretch { after, up_to }, is_tried).await?;
        if batch.body.is_empty() {
            return self.pass(&delivery, batch.reached).await;
        }
        if !is_tried && !deliveries::begin(&app, self.id, &delivery, batch.reached, now).await? {
            return Ok(self.lost());
        }
        self.step(&sink, &delivery, batch).await
    }

    /// The next events that the sink wants. A message that was tried before is read to its end, however many steps of
    /// the log that takes now: it may be archived since, or have been found from elsewhere on.
    async fn read(
        &self,
        sink: &WebhookSinkRow,
        stretch: Stretch,
        is_tried: bool,
    ) -> Result<Batch, DbError> {
        let event_types = match sink.format {
            WebhookFormat::Ocsf if sink.event_types.is_empty() => crate::ocsf::event_types(),
            WebhookFormat::Ocsf | WebhookFormat::CloudEvents => sink.event_types.clone(),
        };
        let filter = EventFilter {
            event_types,
            ..EventFilter::default()
        };
        let mut batch = Batch::default();
        let mut rest = stretch;
        loop {
            let limit = MESSAGE_EVENTS - batch.lines;
            let lines = self.app.log.read_lines(rest, limit, &filter).await?;
            batch.take(&lines, sink.format);
            rest.after = batch.reached;
            if !is_tried || batch.lines >= MESSAGE_EVENTS || rest.after >= rest.up_to {
                return Ok(batch);
            }
        }
    }

    /// Goes on behind what holds nothing for the sink.
    async fn pass(
        &mut self,
        delivery: &Delivery,
        reached: u64,
    ) -> Result<Next, super::WebhooksError> {
        self.passed.store(reached, Ordering::Relaxed);
        // What was tried and not taken lies behind it, and is not forgotten.
        if delivery.tried_up_to == 0 && reached - delivery.position >= UNWRITTEN {
            deliveries::advance(&self.app, self.id, delivery.position, reached).await?;
        }
        Ok(Next::GoOn)
    }

    /// There is nothing to send. Now and then the stored position follows, for the other nodes and for the next start.
    async fn note(
        &mut self,
        delivery: &Delivery,
        reached: u64,
        now: DateTime<Utc>,
    ) -> Result<Next, super::WebhooksError> {
        if delivery.tried_up_to == 0 && reached > delivery.position && now >= self.note_at {
            self.note_at = now + NOTED;
            deliveries::advance(&self.app, self.id, delivery.position, reached).await?;
        }
        Ok(Next::Idle)
    }

    /// Another node has the sink, or may have.
    fn lost(&mut self) -> Next {
        self.passed.store(0, Ordering::Relaxed);
        self.leased_until = DateTime::UNIX_EPOCH;
        Next::Wait(LOOK)
    }

    /// Sends a message.
    async fn step(
        &mut self,
        sink: &WebhookSinkRow,
        delivery: &Delivery,
        batch: Batch,
    ) -> Result<Next, super::WebhooksError> {
        let reached = batch.reached;
        match self.send(sink, delivery, batch).await {
            Ok(()) => {
                metrics::counter!("gatelog_webhook_messages_total", "outcome" => "taken")
                    .increment(1);
                let moved =
                    deliveries::advance(&self.app, self.id, delivery.position, reached).await?;
                if !moved {
                    return Ok(self.lost());
                }
                self.passed.store(reached, Ordering::Relaxed);
                Ok(Next::GoOn)
            }
            Err(error) => {
                metrics::counter!("gatelog_webhook_messages_total", "outcome" => "failed")
                    .increment(1);
                self.failed(delivery, &error).await
            }
        }
    }

    async fn send(
        &self,
        sink: &WebhookSinkRow,
        delivery: &Delivery,
        batch: Batch,
    ) -> Result<(), DeliveryError> {
        let fault = |error: &dyn std::fmt::Display| DeliveryError::Unreachable(error.to_string());
        let vault = &self.app.vault;
        let url = vault.open_webhook_url(self.id, &delivery.sealed_url);
        let url = url.map_err(|error| fault(&error))?;
        let url = std::str::from_utf8(&url)
            .ok()
            .and_then(|text| Url::parse(text).ok());
        let url = url.ok_or_else(|| fault(&"an address that is none"))?;
        let secrets = vault.webhook_secrets(self.id).await;
        let secrets = secrets.map_err(|error| fault(&error))?;
        let now = clock::now();
        let id = message_id(self.id, &batch);
        let body = batch.body;
        let timestamp = now.timestamp();
        let signing = secrets.iter().filter(|(id, _)| signs(sink, *id, now));
        let signatures: Vec<String> = in_order(signing, sink)
            .take(SIGNATURES_MAX)
            .map(|secret| secret.sign(&id, timestamp, &body))
            .collect();
        if signatures.is_empty() {
            return Err(fault(&"a sink without its secret"));
        }
        let message = Message {
            id,
            timestamp,
            signatures: signatures.join(" "),
            body,
        };
        self.app.webhooks.send(&url, message).await
    }

    /// Waits longer after each failure; after the last one the sink is parked.
    async fn failed(
        &mut self,
        delivery: &Delivery,
        error: &DeliveryError,
    ) -> Result<Next, super::WebhooksError> {
        let config = &self.app.config.webhooks;
        let is_gone = matches!(error, DeliveryError::Status(http::StatusCode::GONE));
        let attempts = delivery.attempts + 1;
        let now = clock::now();
        let text: String = error.to_string().chars().take(200).collect();
        let failure = Failure {
            position: delivery.position,
            attempts,
            due_at: now + delay(config.retry_seconds, attempts, ids::jitter()),
            error: &text,
        };
        if !deliveries::note_failure(&self.app, self.id, &failure, now).await? {
            return Ok(self.lost());
        }
        if !is_gone && attempts < config.attempts {
            tracing::warn!(sink = %self.id, attempts, error = text, "a webhook was not taken and will be sent again");
            return Ok(Next::GoOn);
        }
        tracing::error!(sink = %self.id, attempts, error = text, "a webhook sink is parked: what it did not take waits");
        self.park(delivery.position + 1, attempts, now).await
    }

    /// Parks a sink that has more than the log: what will come to have those positions it would never get. Nothing when
    /// it is only this node that does not know of it yet.
    async fn beyond(
        &mut self,
        delivery: &Delivery,
        now: DateTime<Utc>,
    ) -> Result<Option<Next>, super::WebhooksError> {
        let position = delivery.position.max(delivery.tried_up_to);
        let head = self.app.log.head().await?;
        if position <= head {
            return Ok(None);
        }
        let error = format!("the log ends at {head}, before position {position}: it was set back");
        let failure = Failure {
            position: delivery.position,
            attempts: delivery.attempts,
            due_at: now,
            error: &error,
        };
        if !deliveries::note_failure(&self.app, self.id, &failure, now).await? {
            return Ok(Some(self.lost()));
        }
        tracing::error!(sink = %self.id, error, "a webhook sink is parked: it is beyond the log");
        self.park(position, delivery.attempts, now).await.map(Some)
    }

    /// Sends no more until somebody says so.
    async fn park(
        &self,
        position: u64,
        attempts: u64,
        at: DateTime<Utc>,
    ) -> Result<Next, super::WebhooksError> {
        let command = WebhookSinkCommand::Park {
            position,
            attempts,
            at,
        };
        let context = Acting::policy("webhooks").command();
        let log = &self.app.log;
        log.execute::<WebhookSink>(&self.id.to_string(), command, &context)
            .await?;
        Ok(Next::End)
    }

    /// Whether this node has the sink.
    async fn lease(&mut self, now: DateTime<Utc>) -> Result<bool, DbError> {
        if now < self.leased_until {
            return Ok(true);
        }
        let taken = deliveries::take(&self.app, self.id, now).await?;
        if !taken {
            self.passed.store(0, Ordering::Relaxed);
            return Ok(false);
        }
        self.leased_until = now + TimeDelta::seconds(20);
        Ok(true)
    }
}

/// Whether a secret signs at this time.
fn signs(
    sink: &WebhookSinkRow,
    secret: aggregates::values::WebhookSecretId,
    now: DateTime<Utc>,
) -> bool {
    let rotated = sink
        .rotated_at
        .is_some_and(|at| now < at + FORMER_SECRET_SIGNS);
    secret == sink.secret_id || rotated
}

/// The secret in force first.
fn in_order<'a>(
    secrets: impl Iterator<Item = &'a (aggregates::values::WebhookSecretId, WebhookSecret)>,
    sink: &WebhookSinkRow,
) -> impl Iterator<Item = &'a WebhookSecret> {
    let (current, former): (Vec<_>, Vec<_>) = secrets.partition(|(id, _)| *id == sink.secret_id);
    current.into_iter().chain(former).map(|(_, secret)| secret)
}

/// Twice as long after each try, up to an hour, and by chance up to a fifth more, so that not all come back at once.
fn delay(first_seconds: u64, attempts: u64, chance: u64) -> TimeDelta {
    let doublings = u32::try_from(attempts.saturating_sub(1))
        .unwrap_or(u32::MAX)
        .min(32);
    let seconds = first_seconds
        .saturating_mul(1 << doublings)
        .min(LONGEST_SECONDS);
    let jitter = chance % (seconds * 200 + 1);
    let millis = i64::try_from(seconds * 1000 + jitter).unwrap_or(i64::MAX);
    TimeDelta::milliseconds(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_try_waits_twice_as_long_as_the_one_before_up_to_an_hour() {
        let delays: Vec<i64> = (1..=12)
            .map(|tries| delay(5, tries, 0).num_seconds())
            .collect();
        assert_eq!(
            delays,
            [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        );
        for chance in [1, u64::MAX, 999, 1_000_000_007] {
            let delay = delay(5, 1, chance).num_milliseconds();
            assert!((5_000..=6_000).contains(&delay), "{delay}");
        }
        assert_eq!(delay(3600, u64::MAX, 0).num_seconds(), 3600);
    }
}
