//! Events become mails in the outbox, each once.
//!
//! An event that cannot be understood, or whose texts do not open, makes no mail and is told of in the log: it must not
//! hold up those behind it. A person whose key is gone is mailed nothing more.

use std::sync::Arc;

use aggregates::session::SessionEvent;
use aggregates::user::UserEvent;
use aggregates::values::{SessionId, UserId};
use async_trait::async_trait;
use chrono::TimeDelta;
use eventlog::{ReactError, Reactor, RecordedEvent, unreadable};
use projections::sessions;
use projections::users::SealedField;
use serde::de::DeserializeOwned;

use super::again;
use crate::app::App;
use crate::mail::devices::Seen;
use crate::mail::letters::Letter;
use crate::mail::outbox::{self, NewMail};
use crate::mail::tokens::{MailToken, Purpose};
use crate::mail::wishes::{self, SessionWish, UserWish};
use crate::mail::{MailError, Person, Recipient, budgets, devices, link};
use crate::ports::clock;
use crate::ports::ids::Token;

/// Its name.
pub const NAME: &str = "write_mails";
/// What is older is no news any more; and what was sent is remembered for longer than this.
const NEWS: TimeDelta = TimeDelta::hours(24);

/// The events that say which address an account has.
const ADDRESSES: [&str; 2] = ["UserRegistered", "EmailChanged"];

/// Of each kind that is told to a confirmed address, so many in an hour.
const NOTICES_AN_HOUR: i64 = 20;
/// And to one that nobody has confirmed, of each kind.
const NOTICES_AN_HOUR_TO_UNCONFIRMED: i64 = 6;

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Its address, password, second factor or life: whoever takes an account over changes these.
    Account,
    /// Sign-ins and what became of them. Whoever has the password makes as many as they like.
    Sessions,
}

/// The policy.
pub struct WriteMails {
    app: Arc<App>,
}

impl WriteMails {
    /// Over `app`.
    pub fn new(app: Arc<App>) -> Self {
        Self { app }
    }
}

impl std::fmt::Debug for WriteMails {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(NAME)
    }
}

#[async_trait]
impl Reactor for WriteMails {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reacts_to(&self, aggregate_type: &str) -> bool {
        matches!(aggregate_type, "user" | "session")
    }

    async fn react(&self, event: &RecordedEvent) -> Result<(), ReactError> {
        let written = match event.aggregate_type.as_str() {
            "user" => of_user(&self.app, event).await,
            _ => of_session(&self.app, event).await,
        };
        not_for_ever(NAME, event, written)
    }
}

/// What can never succeed is told of and left.
pub(super) fn not_for_ever(
    policy: &str,
    event: &RecordedEvent,
    done: Result<(), MailError>,
) -> Result<(), ReactError> {
    match done {
        Ok(()) => Ok(()),
        Err(MailError::Again(error)) => Err(again(error)),
        Err(MailError::Event(reason)) => Err(ReactError::Event(reason)),
        Err(MailError::Hopeless(error)) => {
            metrics::counter!("gatelog_mails_unwritable_total").increment(1);
            let (position, event_type) = (event.position, &event.event_type);
            tracing::error!(
                policy,
                position,
                event_type,
                error,
                "an event makes no mail"
            );
            Ok(())
        }
    }
}

pub(super) fn parsed<T: DeserializeOwned>(
    app: &App,
    event: &RecordedEvent,
) -> Result<T, MailError> {
    let parsed = app.log.upcasters().parse(event);
    parsed.map_err(|error| MailError::Event(unreadable(event, &error)))
}

fn is_news(event: &RecordedEvent) -> bool {
    event.recorded_at > clock::now() - NEWS
}

async fn of_user(app: &App, event: &RecordedEvent) -> Result<(), MailError> {
    let wishes = wishes::of_user(&parsed(app, event)?);
    if wishes.is_empty() || !is_news(event) {
        return Ok(());
    }
    let user: UserId = event.aggregate_id.parse().map_err(MailError::hopeless)?;
    let Some(person) = Person::find(app, user).await? else {
        return Ok(());
    };
    for wish in wishes {
        match wish {
            UserWish::Confirm => confirm(app, event, &person).await?,
            UserWish::Tell(kind, letter) => {
                let to = at(app, event, &person, event.sequence).await?;
                tell(app, event, &person, to, About::Account, (kind, letter)).await?;
            }
            UserWish::TellFormer(kind, letter) => {
                let to = at(app, event, &person, event.sequence - 1).await?;
                tell(app, event, &person, to, About::Account, (kind, letter)).await?;
            }
            UserWish::TellOfCodes => tell_of_codes(app, event, &person).await?,
        }
    }
    Ok(())
}

/// The address that the account had after the event number `sequence` of its stream, whatever it has by now.
async fn at(
    app: &App,
    event: &RecordedEvent,
    person: &Person,
    sequence: u64,
) -> Result<Recipient, MailError> {
    let stream = event.aggregate_id.as_str();
    let last = app.log.read_last("user", stream, &ADDRESSES, sequence);
    let earlier = last.await?.ok_or_else(no_address)?;
    let (UserEvent::UserRegistered { email, .. } | UserEvent::EmailChanged { email, .. }) =
        parsed(app, &earlier)?
    else {
        return Err(no_address());
    };
    person.at(&SealedField {
        text: email.as_str().to_owned(),
        event_id: earlier.event_id,
    })
}

fn no_address() -> MailError {
    MailError::hopeless("an account without an address")
}

async fn tell(
    app: &App,
    event: &RecordedEvent,
    person: &Person,
    to: Recipient,
    about: About,
    (kind, letter): (&str, Letter),
) -> Result<(), MailError> {
    let id = format!("{}/{kind}", event.event_id);
    if outbox::has(app, &id).await? || !is_in_budget(app, person, &to, about).await? {
        return Ok(());
    }
    let mail = NewMail {
        id,
        to,
        letter,
        token: None,
    };
    outbox::put(app, mail, Vec::new(), clock::now()).await
}

/// Whoever makes an account with a stranger's address must not make a nuisance of it: nobody has confirmed that it is
/// theirs, and the budgets are small. Whatever its sessions did, a person is told of what became of their account.
async fn is_in_budget(
    app: &App,
    person: &Person,
    to: &Recipient,
    about: About,
) -> Result<bool, MailError> {
    let claim = app.vault.keyring().email_claim_id(&to.email);
    let (kind, most) = match (person.row.is_email_verified, about) {
        (false, About::Sessions) => ("notice", NOTICES_AN_HOUR_TO_UNCONFIRMED),
        (false, About::Account) => ("account-notice", NOTICES_AN_HOUR_TO_UNCONFIRMED),
        (true, About::Sessions) => ("notice", NOTICES_AN_HOUR),
        (true, About::Account) => ("account-notice", NOTICES_AN_HOUR),
    };
    let budget = format!("{kind}/{claim}");
    let is_in = budgets::take(&app.database, &budget, most, clock::now()).await?;
    if !is_in {
        metrics::counter!("gatelog_mails_over_budget_total").increment(1);
    }
    Ok(is_in)
}

async fn confirm(app: &App, event: &RecordedEvent, person: &Person) -> Result<(), MailError> {
    let row = &person.row;
    if row.is_email_verified || row.email.event_id != event.event_id {
        return Ok(());
    }
    let token = Token::generate()?;
    let purpose = Purpose::Confirm {
        email_claim_id: row.email_claim_id,
    };
    let mail = NewMail {
        id: format!("{}/confirm", event.event_id),
        to: person.at_home()?,
        letter: Letter::ConfirmAddress(link(app, "confirm-email", &token)),
        token: Some((
            token,
            MailToken {
                user_id: row.user_id,
                purpose,
            },
        )),
    };
    outbox::put(app, mail, Vec::new(), clock::now()).await
}

async fn tell_of_codes(app: &App, event: &RecordedEvent, person: &Person) -> Result<(), MailError> {
    let UserEvent::RecoveryCodesIssued { at: made_at, .. } = parsed(app, event)? else {
        return Ok(());
    };
    let before = event.sequence - 1;
    let before = app.log.read_one("user", &event.aggregate_id, before);
    if let Some(before) = before.await?.filter(|one| one.event_type == "TotpEnabled")
        && let UserEvent::TotpEnabled { at, .. } = parsed(app, &before)?
        && at == made_at
    {
        return Ok(());
    }
    let to = at(app, event, person, event.sequence).await?;
    let letter = Letter::RecoveryCodesMade(made_at);
    let told = ("recovery-codes-made", letter);
    tell(app, event, person, to, About::Account, told).await
}

async fn of_session(app: &App, event: &RecordedEvent) -> Result<(), MailError> {
    let parsed: SessionEvent = parsed(app, event)?;
    let wishes = wishes::of_session(&parsed);
    if wishes.is_empty() {
        return Ok(());
    }
    let session: SessionId = event.aggregate_id.parse().map_err(MailError::hopeless)?;
    let Some(user) = owner(app, session, &parsed).await? else {
        return Ok(());
    };
    let questions = (
        sessions::by_id(session),
        Person::questions(user),
        devices::remembered(user),
    );
    let (row, person, known) = app.database.ask(questions).await?;
    let Some((row, person)) = row.zip(Person::open(app, person)?) else {
        return Ok(());
    };
    for wish in wishes {
        match wish {
            SessionWish::NewDevice => new_device(app, event, &person, &row, &known).await?,
            SessionWish::Tell(kind, letter) if is_news(event) => {
                let to = person.at_home()?;
                tell(app, event, &person, to, About::Sessions, (kind, letter)).await?;
            }
            SessionWish::Tell(..) => {}
        }
    }
    Ok(())
}

/// Whose session it is; nobody's when it is not listed any more.
async fn owner(
    app: &App,
    session: SessionId,
    event: &SessionEvent,
) -> Result<Option<UserId>, MailError> {
    if let SessionEvent::SessionStarted { user_id, .. } = event {
        return Ok(Some(*user_id));
    }
    let row = sessions::find(&app.database, session).await?;
    Ok(row.map(|row| row.user_id))
}

/// The device is remembered in the transaction that writes the mail, so that neither is without the other.
async fn new_device(
    app: &App,
    event: &RecordedEvent,
    person: &Person,
    row: &sessions::SessionRow,
    known: &[devices::Remembered],
) -> Result<(), MailError> {
    let user = row.user_id;
    let device = devices::of_session(person, row)?;
    let seen = devices::seen(known, &device, row.created_at);
    if seen == Seen::Lately {
        return Ok(());
    }
    let remember = devices::remember(user, &device.fingerprint, row.created_at);
    let to = person.at_home()?;
    if seen != Seen::Not
        || !is_news(event)
        || !is_in_budget(app, person, &to, About::Sessions).await?
    {
        app.database.execute(remember).await?;
        return Ok(());
    }
    let mail = NewMail {
        id: format!("{}/new-device", event.event_id),
        to,
        letter: Letter::NewDevice(row.created_at, device.text, device.ip),
        token: None,
    };
    outbox::put(app, mail, remember, clock::now()).await
}
