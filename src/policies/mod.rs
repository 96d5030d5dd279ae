//! Policies (process managers): what follows from an event, or from time passing.
//!
//! A policy reacts at least once and idempotently: it issues commands or does work outside, and never writes an
//! event itself.

pub mod clean_up_media;
pub mod confirm_email_claims;
pub mod count_sign_in_failures;
pub mod dispatch_media_jobs;
pub mod end_sessions_of_disabled_users;
pub mod erase_users;
pub mod expire_sessions;
pub mod follow_password_changes;
pub mod release_email_claims;
pub mod settle_email_changes;
pub mod sweep_mails;
pub mod sweep_passwords;
pub mod sweep_second_factors;
pub mod take_in_administrators;
pub mod write_mails;

use std::sync::Arc;
use std::time::Duration;

use eventlog::{CommandContext, ReactError, Reactor, ReactorTail};

use crate::app::{Acting, App};
use crate::lifecycle::Lifecycle;
use crate::ports::clock;
use crate::{last_seen, mail, token_check, webhooks};

/// Starts every policy and every periodic chore.
pub fn start(app: &Arc<App>, lifecycle: &Lifecycle) {
    let reactors: [Arc<dyn Reactor>; 7] = [
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
        let stop = lifecycle.stop_token();
        lifecycle.spawn("policy", async move { tail.run(stop).await });
    }
    dispatch_media_jobs::start(app, lifecycle);
    chore(
        app,
        lifecycle,
        "release email claims",
        15,
        release_email_claims::run,
    );
    chore(app, lifecycle, "expire sessions", 30, expire_sessions::run);
    chore(app, lifecycle, "erase users", 2, erase_users::run);
    chore(app, lifecycle, "sweep passwords", 600, sweep_passwords::run);
    chore(
        app,
        lifecycle,
        "sweep second factors",
        600,
        sweep_second_factors::run,
    );
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
    start_seen_and_lease(app, lifecycle);
    start_mails(app, lifecycle);
    start_webhooks(app, lifecycle);
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
            let followed = app.vault.follow_rotation().await;
            followed.map_err(|error| error.to_string())
        },
    );
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

fn start_seen_and_lease(app: &Arc<App>, lifecycle: &Lifecycle) {
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
    ReactError(error.to_string())
}
