//! `GET /v1/me/export`: everything that is stored about the caller, as one JSON document.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::Stream;
use http::header;
use projections::page::{Cursor, Page};
use projections::personal_events::{PersonalEvent, PersonalEvents};
use projections::sessions::State as SessionState;
use projections::users::PendingEmail;
use projections::{activity, media, media_jobs, sessions, users};
use serde::Serialize;
use utoipa::ToSchema;

use super::activity::{ActivityView, view as activity_view};
use crate::app::App;
use crate::exports::ExportPlace;
use crate::http::caller::{Caller, RecentCaller};
use crate::http::jobs::view::{JobView, view as job_view};
use crate::http::media::view::{MediaView, view as media_view};
use crate::http::problem::{Problem, ProblemBody};
use crate::http::reads::{self, TailRead};
use crate::http::sessions::view::{SessionView, user_agent, view as session_view};
use crate::http::users::view::{UserView, view as user_view};
use crate::keyring::PersonKey;
use crate::ports::clock;
use crate::{throttle, uploads};

/// Items that are in memory at a time.
const PAGE: usize = 200;

/// The document. It is written piece by piece; this is its shape.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Export)]
pub struct ExportView {
    exported_at: chrono::DateTime<chrono::Utc>,
    user: UserView,
    /// The address that the account asked for instead of its own, until it is confirmed.
    pending_email: Option<PendingEmailView>,
    /// Open and ended ones.
    sessions: Vec<ExportedSession>,
    /// The files themselves are at `/v1/media/{id}/content`.
    media: Vec<MediaView>,
    /// Resumable uploads that are not finished.
    uploads: Vec<OpenUpload>,
    jobs: Vec<JobView>,
    activity: Vec<ActivityView>,
    /// Texts of the person as the log has them, in its order: also former names and addresses, the devices of sessions
    /// that are forgotten, and files that are deleted, wherever an operator keeps that part of the log.
    events: Vec<ExportedEvent>,
}

/// An event of the log that carries texts of the person.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedEvent {
    id: uuid::Uuid,
    time: chrono::DateTime<chrono::Utc>,
    /// `<kind>/<identifier>`, for example `session/…`.
    stream: String,
    #[serde(rename = "type")]
    event_type: String,
    /// As it is described for this type, its sealed fields opened.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// A change of the address that waits.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PendingEmail)]
pub struct PendingEmailView {
    email: String,
    requested_at: chrono::DateTime<chrono::Utc>,
}

/// A resumable upload that is not finished.
#[derive(Debug, Serialize, ToSchema)]
pub struct OpenUpload {
    id: uuid::Uuid,
    /// As it was sent in `Upload-Metadata`.
    metadata: String,
    bytes: u64,
    received: u64,
    created_at: chrono::DateTime<chrono::Utc>,
    expires_at: chrono::DateTime<chrono::Utc>,
}

/// A session, with what its device said of itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExportedSession {
    #[serde(flatten)]
    session: SessionView,
    /// As it was sent when the session was opened.
    user_agent: Option<String>,
}

/// Everything that is stored about the caller. The whole log may have to be read for it, so a person has one at a time and
/// so many within an hour.
#[utoipa::path(
    get, path = "/v1/me/export", tag = "accounts", operation_id = "export_me",
    responses(
        (status = 200, body = ExportView),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "reauthentication-required"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json", description = "too-many-attempts"),
    ),
    security(("bearer" = [])),
)]
pub async fn export(
    State(app): State<Arc<App>>,
    RecentCaller(caller): RecentCaller,
    _: TailRead<reads::MediaAndJobs>,
) -> Result<Response, Problem> {
    let place = app.exports.begin(caller.user_id)?;
    throttle::charge_export(&app, caller.user_id).await?;
    let row = users::find(&app.database, caller.user_id).await?;
    let row = row.ok_or_else(Problem::not_found)?;
    let user = user_view(&app, &row).await?;
    let key = app.vault.person_key(caller.user_id).await?;
    let key = key.ok_or_else(Problem::not_found)?;
    let pending = row.pending_email.as_ref();
    let pending = pending.map(|pending| pending_view(&key, pending));
    let uploads = open_uploads(&app, &caller, &key).await?;
    let steps = steps(&user, pending.transpose()?.as_ref(), &uploads)?;
    let events = PersonalEvents::begin(&app.database, caller.user_id).await?;
    let source = Source {
        events: events.ok_or_else(Problem::not_found)?,
        app,
        caller,
        key,
        _place: place,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"gatelog-export.json\"",
        ),
    ];
    let body = Body::from_stream(document(source, steps));
    Ok((headers, body).into_response())
}

/// What the lists of the document are read from.
#[derive(Debug, Clone, Copy)]
enum Part {
    Sessions(SessionState),
    Media,
    Jobs,
    Activity,
}

struct Source {
    app: Arc<App>,
    caller: Caller,
    key: PersonKey,
    events: PersonalEvents,
    _place: ExportPlace,
}

impl Source {
    /// The next items as JSON, comma-separated, and where they go on.
    async fn read(&self, part: Part, after: &Cursor) -> Result<(String, Option<Cursor>), Problem> {
        let (app, database, owner) = (&self.app, &self.app.database, self.caller.user_id);
        match part {
            Part::Sessions(state) => {
                let now = clock::now();
                let page = sessions::list(database, owner, state, now, after, PAGE).await?;
                let current = self.caller.session_id;
                items(page, |row| {
                    Ok(ExportedSession {
                        session: session_view(app, &self.key, row, current)?,
                        user_agent: user_agent(&self.key, row)?,
                    })
                })
            }
            Part::Media => {
                let page = media::list(database, owner, after, PAGE).await?;
                items(page, |row| media_view(&self.key, row))
            }
            Part::Jobs => {
                let page = media_jobs::list(database, owner, after, PAGE).await?;
                items(page, |row| Ok(job_view(app, row)))
            }
            Part::Activity => {
                let page = activity::list(database, owner, after, PAGE).await?;
                items(page, |row| Ok(activity_view(&self.caller, row)))
            }
        }
    }

    /// The next events as JSON, comma-separated; nothing at their end.
    async fn read_events(&mut self) -> Result<Option<String>, Problem> {
        let Some(events) = self.events.next(PAGE).await? else {
            return Ok(None);
        };
        // This key is in memory. Once the person is erased the vault has it no more, and nothing is told of them.
        let person = self.caller.user_id;
        if !events.is_empty() && self.app.vault.person_key(person).await?.is_none() {
            return Err(Problem::not_found());
        }
        let shown = events
            .iter()
            .map(|event| json(&event_view(&self.key, event)?));
        let shown: Vec<String> = shown.collect::<Result<_, _>>()?;
        Ok(Some(shown.join(",")))
    }
}

fn event_view(key: &PersonKey, event: &PersonalEvent) -> Result<ExportedEvent, Problem> {
    let stored: serde_json::Value =
        serde_json::from_str(&event.payload).map_err(Problem::internal)?;
    let data = stored.get(&event.event_type).cloned();
    let mut data = data.ok_or_else(|| Problem::internal("an event that is not of its type"))?;
    if let Some(fields) = data.as_object_mut() {
        key.open_fields(event.event_id, fields)?;
    }
    Ok(ExportedEvent {
        id: event.event_id,
        time: event.recorded_at,
        stream: format!("{}/{}", event.aggregate_type, event.aggregate_id),
        event_type: event.event_type.clone(),
        data,
    })
}

fn pending_view(key: &PersonKey, pending: &PendingEmail) -> Result<PendingEmailView, Problem> {
    let sealed = &pending.email;
    Ok(PendingEmailView {
        email: key.open(sealed.event_id, "email", &sealed.text)?,
        requested_at: pending.requested_at,
    })
}

/// They are few: the settings limit them.
async fn open_uploads(
    app: &App,
    caller: &Caller,
    key: &PersonKey,
) -> Result<Vec<OpenUpload>, Problem> {
    let open = uploads::open(app, caller.user_id).await?;
    let shown = open.iter().map(|upload| {
        Ok(OpenUpload {
            id: upload.upload_id,
            metadata: upload.metadata(key)?,
            bytes: upload.bytes,
            received: upload.received,
            created_at: upload.created_at,
            expires_at: upload.expires_at,
        })
    });
    shown.collect()
}

fn items<R, V: Serialize>(
    page: Page<R>,
    show: impl Fn(&R) -> Result<V, Problem>,
) -> Result<(String, Option<Cursor>), Problem> {
    let shown = page.items.iter().map(|row| json(&show(row)?));
    let shown: Vec<String> = shown.collect::<Result<_, _>>()?;
    Ok((shown.join(","), page.next))
}

/// A piece of the document.
enum Step {
    Text(String),
    Items(Part, Cursor),
    Events,
}

fn steps(
    user: &UserView,
    pending: Option<&PendingEmailView>,
    uploads: &[OpenUpload],
) -> Result<VecDeque<Step>, Problem> {
    let text = |text: &str| Step::Text(text.to_owned());
    let items = |part| Step::Items(part, Cursor::start());
    let (now, user) = (json(&clock::now())?, json(user)?);
    let (pending, uploads) = (json(&pending)?, json(&uploads)?);
    let head = format!(
        "{{\"exported_at\":{now},\"user\":{user},\"pending_email\":{pending},\"sessions\":["
    );
    Ok(VecDeque::from([
        Step::Text(head),
        items(Part::Sessions(SessionState::Active)),
        items(Part::Sessions(SessionState::Ended)),
        text("],\"media\":["),
        items(Part::Media),
        Step::Text(format!("],\"uploads\":{uploads},\"jobs\":[")),
        items(Part::Jobs),
        text("],\"activity\":["),
        items(Part::Activity),
        text("],\"events\":["),
        Step::Events,
        text("]}\n"),
    ]))
}

/// The document, a page of a list in memory at a time. A fault ends the body with an error, so that nobody takes half a
/// document for a whole one.
fn document(
    source: Source,
    steps: VecDeque<Step>,
) -> impl Stream<Item = Result<Bytes, io::Error>> + Send {
    let state = (source, steps, false);
    futures::stream::try_unfold(state, |(mut source, mut steps, needs_comma)| async move {
        loop {
            let read = match steps.pop_front() {
                None => return Ok(None),
                Some(Step::Text(text)) => {
                    return Ok(Some((Bytes::from(text), (source, steps, false))));
                }
                Some(Step::Items(part, after)) => {
                    let read = source.read(part, &after).await;
                    read.map(|(items, next)| (items, next.map(|next| Step::Items(part, next))))
                }
                Some(Step::Events) => {
                    let read = source.read_events().await;
                    read.map(|events| {
                        let more = events.as_ref().map(|_| Step::Events);
                        (events.unwrap_or_default(), more)
                    })
                }
            };
            let (items, next) = read.map_err(|problem| {
                tracing::error!(?problem, "an export of an account broke off");
                io::Error::other("the export broke off")
            })?;
            let is_looking = matches!(next, Some(Step::Events));
            if let Some(next) = next {
                steps.push_front(next);
            }
            if !items.is_empty() {
                let text = if needs_comma { "," } else { "" }.to_owned() + &items;
                return Ok(Some((Bytes::from(text), (source, steps, true))));
            }
            if is_looking {
                // White space, so that nobody on the way takes a long look for a dead connection.
                let text = Bytes::from_static(b"\n");
                return Ok(Some((text, (source, steps, needs_comma))));
            }
        }
    })
}

fn json<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(Problem::internal)
}
