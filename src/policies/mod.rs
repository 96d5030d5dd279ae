//! Policies (process managers): what follows from an event, or from time passing.
//!
//! A policy reacts at least once and idempotently: it issues commands or does work outside, and never writes an
//! event itself.

pub mod clean_up_media;
pub mod confirm_email_claims;
pub mod count_second_factor_failures;
pub mod count_sign_in_failures;
pub mod dispatch_media_jobs;
pub mod end_sessions_of_disabled_users;
pub mod erase_users;
pub mod expire_sessions;
pub mod follow_password_changes;
pub mod forget_ended_sessions;
pub mod release_email_claims;
pub mod settle_email_changes;
pub mod sweep_blobs;
pub mod sweep_mails;
pub mod sweep_passwords;
pub mod sweep_person_keys;
pub mod sweep_second_factors;
pub mod take_in_administrators;
pub mod write_mails;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{
    CommandContext, ReactError, Reactor, ReactorTail, RecordedEvent, rebuild, unreadable,
};
use serde::de::DeserializeOwned;

use crate::app::{Acting, App};
use crate::lifecycle::Lifecycle;
use crate::ports::{clock, program};
use crate::{last_seen, mail, tails, token_check, uploads, webhooks};

/// The names of the reactors.
pub const REACTORS: [&str; 7] = [
    confirm_email_claims::NAME,
    end_sessions_of_disabled_users::NAME,
    clean_up_media::NAME,
    write_mails::NAME,
    settle_email_changes::NAME,
    follow_password_changes::NAME,
    erase_users::NAME,
];

/// Starts every policy and every periodic chore.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let reactors: [Arc<dyn Reactor>; REACTORS.len()] = [
        Arc::new(confirm_email_claims::ConfirmEmailClaims::new(Arc::clone(
            app,
        ))),
        Arc::new(end_sessions_of_disabled_users::EndSessions::new(
            Arc::clone(app),
        )),
        Arc::new(clean_up_media::CleanUpMedia::new(Arc::clone(app))),
        Arc::new(write_mails::WriteMails::new(Arc::clone(app))),
        Arc::new(settle_email_changes::SettleEmailChanges::new(Arc::clone(
            app,
        ))),
        Arc::new(follow_password_changes::FollowPasswordChanges::new(
            Arc::clone(app),
        )),
        Arc::new(erase_users::EraseUsers::new(Arc::clone(app))),
    ];
    for reactor in reactors {
        let tail = ReactorTail::new(app.database.clone(), app.log.clone(), reactor);
        app.tails.watch_reactor(&tail);
        let stop = lifecycle.stop_token();
        lifecycle.spawn("policy", async move { tail.run(stop).await });
    }
    app.tails.watch_read_models(&app.read_models);
    start_watching_tails(app, lifecycle);
    start_media(app, lifecycle);
    chore(
        app,
        lifecycle,
        "release email claims",
        15,
        release_email_claims::run,
    );
    chore(app, lifecycle, "erase users", 2, erase_users::run);
    start_vault_sweeps(app, lifecycle);
    chore(
        app,
        lifecycle,
        "count sign-in failures",
        15,
        count_sign_in_failures::run,
    );
    chore(
        app,
        lifecycle,
        "count second-factor failures",
        15,
        count_second_factor_failures::run,
    );
    chore(
        app,
        lifecycle,
        "sweep idempotency records",
        600,
        |app| async move {
            app.idempotency
                .sweep(clock::now())
                .await
                .map_err(|error| error.to_string())
        },
    );
    start_rights_and_keys(app, lifecycle);
    start_sessions(app, lifecycle);
    start_mails(app, lifecycle);
    start_webhooks(app, lifecycle);
}

fn start_vault_sweeps(app: &Arc<App>, lifecycle: &Lifecycle) {
    chore(app, lifecycle, "sweep passwords", 600, sweep_passwords::run);
    chore(
        app,
        lifecycle,
        "sweep person keys",
        3600,
        sweep_person_keys::run,
    );
    chore(
        app,
        lifecycle,
        "sweep second factors",
        600,
        sweep_second_factors::run,
    );
}

fn start_media(app: &Arc<App>, lifecycle: &Lifecycle) {
    dispatch_media_jobs::start(app, lifecycle);
    sweep_blobs::start(app, lifecycle);
    chore(
        app,
        lifecycle,
        "watch the media workers",
        15,
        |app| async move {
            app.workers.look().await;
            Ok(())
        },
    );
    chore(app, lifecycle, "sweep uploads", 5, uploads::sweep::run);
    chore(app, lifecycle, "sweep claims", 3600, uploads::sweep::claims);
}

fn start_rights_and_keys(app: &Arc<App>, lifecycle: &Lifecycle) {
    chore(
        app,
        lifecycle,
        "take in administrators",
        15,
        take_in_administrators::run,
    );
    chore(
        app,
        lifecycle,
        "follow a rotation of the master key",
        2,
        |app| async move {
            let followed = async {
                app.vault.follow_rotation().await?;
                app.passwords.follow_rotation().await
            };
            followed.await.map_err(|error| error.to_string())
        },
    );
}

fn start_watching_tails(app: &Arc<App>, lifecycle: &Lifecycle) {
    let seconds = tails::LOOK_EVERY_SECONDS;
    chore(app, lifecycle, "watch the tails", seconds, |app| async {
        let looked = tails::look(app, clock::now()).await;
        looked.map_err(|error| error.to_string())
    });
    let name = "remove what killed rebuilds and former versions have left";
    chore(app, lifecycle, name, 3600, |app| async move {
        let code = program::digest().await.map_err(|error| error.to_string())?;
        for projection in [projections::inline(), projections::tails()].concat() {
            let tidied = rebuild::tidy(&app.database, projection, &code, clock::now()).await;
            tidied.map_err(|error| error.to_string())?;
        }
        let swept = app.log.sweep_snapshots().await;
        swept.map_err(|error| error.to_string())
    });
}

fn start_mails(app: &Arc<App>, lifecycle: &Lifecycle) {
    mail::start(app, lifecycle);
    chore(app, lifecycle, "sweep mails", 600, sweep_mails::run);
    chore(
        app,
        lifecycle,
        "give up changes of the address",
        60,
        settle_email_changes::give_up,
    );
}

fn start_webhooks(app: &Arc<App>, lifecycle: &Lifecycle) {
    webhooks::sender::start(app, lifecycle);
    chore(app, lifecycle, "sweep webhooks", 600, |app| async move {
        let swept = webhooks::deliveries::sweep(&app, clock::now()).await;
        swept.map_err(|error| error.to_string())
    });
}

fn start_sessions(app: &Arc<App>, lifecycle: &Lifecycle) {
    chore(app, lifecycle, "expire sessions", 30, expire_sessions::run);
    chore(
        app,
        lifecycle,
        "forget ended sessions",
        5,
        forget_ended_sessions::run,
    );
    let seen = Arc::clone(app);
    lifecycle.every("write last seen", last_seen::WRITE_EVERY, move || {
        let app = Arc::clone(&seen);
        async move { app.last_seen.write(&app.database, clock::now()).await }
    });
    let (app, stop) = (Arc::clone(app), lifecycle.stop_token());
    lifecycle.spawn("lease", async move {
        token_check::keep_lease(&app.lease, &app.log, &stop).await;
    });
}

fn chore<F>(
    app: &Arc<App>,
    lifecycle: &Lifecycle,
    name: &'static str,
    seconds: u64,
    work: impl Fn(Arc<App>) -> F + Send + 'static,
) where
    F: Future<Output = Result<(), String>> + Send + 'static,
{
    let app = Arc::clone(app);
    lifecycle.every(name, Duration::from_secs(seconds), move || {
        work(Arc::clone(&app))
    });
}

/// The context of a policy's command.
fn context(policy: &str) -> CommandContext {
    Acting::policy(policy).command()
}

/// Any failure as the reason why the event comes again.
fn again(error: impl std::fmt::Display) -> ReactError {
    ReactError::NotNow(error.to_string())
}

/// The event as one of its aggregate, whatever version was stored.
fn parsed<T: DeserializeOwned>(app: &App, event: &RecordedEvent) -> Result<T, ReactError> {
    let parsed = app.log.upcasters().parse(event);
    parsed.map_err(|error| ReactError::Event(unreadable(event, &error)))
}

/// The identifier that the event's stream is named by.
fn stream_id<T: FromStr>(event: &RecordedEvent) -> Result<T, ReactError> {
    let id = event.aggregate_id.parse();
    id.map_err(|_| ReactError::Event("the stream's name is no identifier".to_owned()))
}
