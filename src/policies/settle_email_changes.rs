//! The claims of a change of the address, and the mail with its link.
//!
//! A request's claim is made at the time that the request names, so each claim tells which request it is of, and a node
//! that comes late can neither release a later claim nor take one for a request that is over and keep it:
//! `release_email_claims` finds that.

use std::sync::Arc;

use aggregates::email_claim::{EmailClaim, EmailClaimCommand, ReleaseReason};
use aggregates::user::{PendingEmail, User, UserEvent};
use aggregates::values::{EmailClaimId, UserId};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{ExecuteError, ReactError, Reactor, RecordedEvent};
use projections::users::{self, SealedField};

use super::context;
use super::write_mails::{not_for_ever, parsed};
use crate::app::App;
use crate::email_change;
use crate::mail::letters::Letter;
use crate::mail::outbox::{self, NewMail};
use crate::mail::tokens::{self, CONFIRMATION_LIFE, MailToken, Purpose};
use crate::mail::{MailError, Person, Recipient, budgets, link};
use crate::ports::clock;
use crate::ports::ids::Token;
use crate::throttle;

/// Its name.
pub const NAME: &str = "settle_email_changes";
/// Mails of this kind to one address in an hour; more are left out, silently.
const MAILS_AN_HOUR: i64 = 3;
/// Requests that are given up in one turn; the next turn takes more.
const TURN: usize = 500;

/// The policy.
pub struct SettleEmailChanges {
    app: Arc<App>,
}

impl SettleEmailChanges {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl std::fmt::Debug for SettleEmailChanges {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for SettleEmailChanges {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        aggregate_type == "user"
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        not_for_ever(NAME, event, settle(&self.app, event).await)
    }
}

async fn settle(app: &App, event: &RecordedEvent) -> Result<(), MailError> {
    let user: UserId = event.aggregate_id.parse().map_err(MailError::hopeless)?;
    match parsed(app, event)? {
        UserEvent::EmailChangeRequested {
            email,
            email_claim_id,
            at,
        } => {
            let sealed = SealedField {
                text: email.as_str().to_owned(),
                event_id: event.event_id,
            };
            let request = PendingEmail {
                email_claim_id,
                requested_at: at,
            };
            requested(app, user, request, &sealed).await
        }
        UserEvent::EmailChangeCancelled {
            email_claim_id,
            requested_at,
            ..
        } => {
            forget_links(app, user, email_claim_id, requested_at).await?;
            let reason = ReleaseReason::EmailChangeCancelled;
            release(app, user, email_claim_id, requested_at, reason).await
        }
        UserEvent::EmailChanged {
            email_claim_id,
            replaced,
            replaced_claimed_at,
            ..
        } => {
            confirm(app, user, email_claim_id).await?;
            // Only a confirmed claim is released so; that of the registration may not be yet.
            confirm_made_at(app, user, replaced, replaced_claimed_at).await?;
            // The networks of this account are nothing to whoever has the address next.
            throttle::forget(app, replaced).await?;
            let reason = ReleaseReason::EmailChanged;
            release(app, user, replaced, replaced_claimed_at, reason).await
        }
        _ => Ok(()),
    }
}

async fn requested(
    app: &App,
    user: UserId,
    request: PendingEmail,
    sealed: &SealedField,
) -> Result<(), MailError> {
    let (account, _) = app
        .log
        .load::<User>(&user.to_string())
        .await
        .map_err(MailError::again)?;
    let User::Active(account) = account else {
        return Ok(());
    };
    let Some(person) = Person::find(app, user).await? else {
        return Ok(());
    };
    if account.pending_email != Some(request) {
        return Ok(());
    }
    let to = Recipient {
        name: None,
        ..person.at(sealed)?
    };
    if claim(app, user, request).await? {
        mail_link(app, user, request, to).await
    } else {
        tell_owner(app, request, sealed).await
    }
}

/// Claims the address for this request; false when another account has it.
async fn claim(app: &App, user: UserId, request: PendingEmail) -> Result<bool, MailError> {
    let id = request.email_claim_id.to_string();
    let (held, _) = app
        .log
        .load::<EmailClaim>(&id)
        .await
        .map_err(MailError::again)?;
    let is_of_this = |held: &EmailClaim| {
        held.holder() == Some(user) && held.since() == Some(request.requested_at)
    };
    if is_of_this(&held) {
        return Ok(true);
    }
    // A claim of the account's own that is over, and not released yet.
    if let (Some(holder), Some(since)) = (held.holder(), held.since())
        && holder == user
    {
        let reason = match held {
            EmailClaim::Confirmed { .. } => ReleaseReason::EmailChanged,
            _ => ReleaseReason::EmailChangeCancelled,
        };
        release(app, user, request.email_claim_id, since, reason).await?;
    }
    let command = EmailClaimCommand::Claim {
        user_id: user,
        at: request.requested_at,
    };
    match app
        .log
        .execute::<EmailClaim>(&id, command, &context(NAME))
        .await
    {
        Ok(_) => {}
        Err(ExecuteError::Refused(_)) => return Ok(false),
        Err(error) => return Err(MailError::again(error)),
    }
    let (held, _) = app
        .log
        .load::<EmailClaim>(&id)
        .await
        .map_err(MailError::again)?;
    if is_of_this(&held) || held.holder() != Some(user) {
        return Ok(is_of_this(&held));
    }
    Err(MailError::again("another node settles the same claim"))
}

async fn mail_link(
    app: &App,
    user: UserId,
    request: PendingEmail,
    to: Recipient,
) -> Result<(), MailError> {
    let id = format!(
        "{}/{user}/{}/change",
        request.email_claim_id,
        clock::micros(request.requested_at)
    );
    if outbox::has(app, &id).await? || !is_in_budget(app, request.email_claim_id).await? {
        return Ok(());
    }
    let token = Token::generate()?;
    let letter = Letter::ConfirmChange(link(app, "confirm-email", &token));
    let made = made(user, request);
    let mail = NewMail {
        id,
        to,
        letter,
        token: Some((token, made)),
    };
    outbox::put(app, mail, Vec::new(), clock::now()).await
}

fn made(user_id: UserId, request: PendingEmail) -> MailToken {
    MailToken {
        user_id,
        purpose: Purpose::Change {
            email_claim_id: request.email_claim_id,
            requested_at: request.requested_at,
        },
    }
}

async fn is_in_budget(app: &App, claim: EmailClaimId) -> Result<bool, MailError> {
    let budget = format!("change-mail/{claim}");
    Ok(budgets::take(&app.database, &budget, MAILS_AN_HOUR, clock::now()).await?)
}

/// Whoever has the address learns that somebody else asked for it; who only asked for it learns nothing.
async fn tell_owner(
    app: &App,
    request: PendingEmail,
    sealed: &SealedField,
) -> Result<(), MailError> {
    let claim = request.email_claim_id;
    let id = format!("{}/tried", sealed.event_id);
    let Some(owner) = projections::email_claims::holder(&app.database, claim).await? else {
        return Ok(());
    };
    let Some(owner) = Person::find(app, owner).await? else {
        return Ok(());
    };
    let has_it = owner.row.email_claim_id == claim;
    if !has_it || outbox::has(app, &id).await? || !is_in_budget(app, claim).await? {
        return Ok(());
    }
    let mail = NewMail {
        id,
        to: owner.at_home()?,
        letter: Letter::AddressTried,
        token: None,
    };
    outbox::put(app, mail, Vec::new(), clock::now()).await
}

async fn forget_links(
    app: &App,
    user: UserId,
    claim: EmailClaimId,
    requested_at: DateTime<Utc>,
) -> Result<(), MailError> {
    let request = PendingEmail {
        email_claim_id: claim,
        requested_at,
    };
    // Links of a later request stay: they are good as long as that waits.
    let row = users::find(&app.database, user).await?;
    if row.is_some_and(|row| row.pending_email.is_some()) {
        return Ok(());
    }
    Ok(tokens::remove(&app.database, made(user, request)).await?)
}

async fn confirm(app: &App, user: UserId, claim: EmailClaimId) -> Result<(), MailError> {
    let command = EmailClaimCommand::Confirm {
        user_id: user,
        at: clock::now(),
    };
    execute(app, claim, command).await
}

async fn confirm_made_at(
    app: &App,
    user: UserId,
    claim: EmailClaimId,
    claimed_at: DateTime<Utc>,
) -> Result<(), MailError> {
    let loaded = app.log.load::<EmailClaim>(&claim.to_string()).await;
    let (held, _) = loaded.map_err(MailError::again)?;
    if held.since() == Some(claimed_at) {
        confirm(app, user, claim).await?;
    }
    Ok(())
}

async fn release(
    app: &App,
    user: UserId,
    claim: EmailClaimId,
    claimed_at: DateTime<Utc>,
    reason: ReleaseReason,
) -> Result<(), MailError> {
    let command = EmailClaimCommand::ReleaseMadeAt {
        user_id: user,
        claimed_at,
        reason,
        at: clock::now(),
    };
    execute(app, claim, command).await
}

/// What the claim refuses is of another life of it, and none of this event's business.
async fn execute(
    app: &App,
    claim: EmailClaimId,
    command: EmailClaimCommand,
) -> Result<(), MailError> {
    let executed = app
        .log
        .execute::<EmailClaim>(&claim.to_string(), command, &context(NAME))
        .await;
    match executed {
        Ok(_) | Err(ExecuteError::Refused(_)) => Ok(()),
        Err(error) => Err(MailError::again(error)),
    }
}

/// Gives up changes that nobody confirmed.
///
/// # Errors
/// The database or the log failed.
pub async fn give_up(app: Arc<App>) -> Result<(), String> {
    let before = clock::now() - CONFIRMATION_LIFE - TimeDelta::minutes(1);
    let waiting = users::with_pending_email(&app.database, before, TURN).await;
    for user in waiting.map_err(|error| error.to_string())? {
        let acting = crate::app::Acting::policy(NAME);
        match email_change::cancel(&app, user, &acting).await {
            Ok(_) | Err(email_change::EmailChangeError::Log(ExecuteError::Refused(_))) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Makes a change to this address that waits give way to whoever proved the address; false when an account has it. The
/// account's stream decides: a change that was completed meanwhile stays.
///
/// # Errors
/// The log failed.
pub async fn give_way(app: &App, claim: EmailClaimId) -> Result<bool, MailError> {
    let loaded = app.log.load::<EmailClaim>(&claim.to_string()).await;
    let (held, _) = loaded.map_err(MailError::again)?;
    let Some(user) = held.holder() else {
        return Ok(true);
    };
    let loaded = app.log.load::<User>(&user.to_string()).await;
    let (account, _) = loaded.map_err(MailError::again)?;
    let (User::Active(account) | User::Disabled(account)) = account else {
        // A registration under way, or an erasure: what follows from it settles the claim.
        return Ok(true);
    };
    if account.email_claim_id == claim {
        return Ok(false);
    }
    let pending = account.pending_email;
    if pending.is_some_and(|pending| pending.email_claim_id == claim) {
        let acting = crate::app::Acting::policy(NAME);
        let cancelled = email_change::cancel(app, user, &acting).await;
        cancelled.map_err(MailError::again)?;
    }
    let settled = settle_leftover(app, user, claim).await;
    settled.map_err(MailError::again)?;
    Ok(true)
}

/// What is left of a claim of a registered account that no request waits for: it is the account's address, or free.
///
/// # Errors
/// The log failed.
pub(super) async fn settle_leftover(
    app: &App,
    user: UserId,
    claim: EmailClaimId,
) -> Result<(), String> {
    let done = async {
        let loaded = app.log.load::<EmailClaim>(&claim.to_string()).await;
        let (held, _) = loaded.map_err(MailError::again)?;
        let loaded = app.log.load::<User>(&user.to_string()).await;
        let (account, _) = loaded.map_err(MailError::again)?;
        let (EmailClaim::Claimed { since, .. }, true) = (&held, held.holder() == Some(user)) else {
            return Ok(());
        };
        if let User::Active(account) | User::Disabled(account) = account {
            if account.email_claim_id == claim {
                return confirm(app, user, claim).await;
            }
            let pending = account.pending_email;
            if pending.is_some_and(|pending| pending.email_claim_id == claim) {
                return Ok(());
            }
        }
        let reason = ReleaseReason::EmailChangeCancelled;
        release(app, user, claim, *since, reason).await
    };
    done.await.map_err(|error: MailError| error.to_string())
}
