//! Laws that every aggregate keeps, whatever is asked of it in whatever order:
//!
//! - the stage after handling is the fold of the events, and each event survives its JSON;
//! - a refused command leaves the stage as it was;
//! - a snapshot at any point, read back from its JSON, goes on like the full history;
//! - even events in an impossible order fold without panic.

mod commands;
mod ended;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{TestError, TestRunner};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::administrators::Administrators;
use crate::email_claim::EmailClaim;
use crate::forgotten_sessions::ForgottenSessions;
use crate::media::{Media, MediaCommand, MediaError, MediaEvent};
use crate::media_job::MediaJob;
use crate::service_key::ServiceKey;
use crate::session::Session;
use crate::user::User;
use crate::webhook_sink::WebhookSink;

/// Handles a command without any runtime: a decision that waited for something would be caught.
fn handle<A>(aggregate: &mut A, command: A::Command) -> Result<Vec<A::Event>, A::Error>
where
    A: Aggregate<Services = ()>,
{
    let sink = EventSink::default();
    finish(aggregate.handle(command, &(), &sink))?;
    Ok(finish(sink.collect()))
}

fn finish<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a decision waits for something"),
    }
}

fn through_json<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn fold<A: Aggregate>(mut aggregate: A, events: &[A::Event]) -> A {
    for event in events {
        aggregate.apply(event.clone());
    }
    aggregate
}

/// Runs the commands; returns the history that they made.
fn check_history<A>(commands: Vec<A::Command>) -> Result<Vec<A::Event>, TestCaseError>
where
    A: Aggregate<Services = ()> + Clone + PartialEq + Debug,
{
    let (mut handled, mut history, mut snapshots) = (A::default(), Vec::new(), Vec::new());
    for command in commands {
        let before = handled.clone();
        snapshots.push((history.len(), through_json(&handled)));
        if let Ok(events) = handle(&mut handled, command) {
            history.extend(events);
        } else {
            prop_assert_eq!(&handled, &before);
        }
        prop_assert_eq!(&fold(A::default(), &history), &handled);
        prop_assert_eq!(&through_json(&handled), &handled);
    }
    for event in &history {
        prop_assert_eq!(&through_json(event), event);
    }
    for (length, snapshot) in snapshots {
        prop_assert_eq!(&fold(snapshot, &history[length..]), &handled);
    }
    Ok(history)
}

/// The law, and then the same events in the order of `shuffle`.
fn check<A>(commands: Vec<A::Command>, shuffle: &[prop::sample::Index]) -> Result<(), TestCaseError>
where
    A: Aggregate<Services = ()> + Clone + PartialEq + Debug,
{
    let history = check_history::<A>(commands)?;
    if history.is_empty() {
        return Ok(());
    }
    let disorder: Vec<_> = shuffle
        .iter()
        .map(|index| index.get(&history).clone())
        .collect();
    let once = fold(A::default(), &disorder);
    prop_assert_eq!(&through_json(&once), &once);
    Ok(())
}

fn shuffle() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..40)
}

proptest! {
    #[test]
    fn users_keep_the_laws(commands in commands::user(), shuffle in shuffle()) {
        check::<User>(commands, &shuffle)?;
    }

    #[test]
    fn email_claims_keep_the_laws(commands in commands::email_claim(), shuffle in shuffle()) {
        check::<EmailClaim>(commands, &shuffle)?;
    }

    #[test]
    fn sessions_keep_the_laws(commands in commands::session(), shuffle in shuffle()) {
        check::<Session>(commands, &shuffle)?;
    }

    #[test]
    fn media_keep_the_laws(commands in commands::media(), shuffle in shuffle()) {
        check::<Media>(commands, &shuffle)?;
    }

    #[test]
    fn media_jobs_keep_the_laws(commands in commands::media_job(), shuffle in shuffle()) {
        check::<MediaJob>(commands, &shuffle)?;
    }

    #[test]
    fn administrators_keep_the_laws(commands in commands::administrators(), shuffle in shuffle()) {
        check::<Administrators>(commands, &shuffle)?;
    }

    #[test]
    fn once_there_is_an_administrator_there_always_is(commands in commands::administrators()) {
        let mut administrators = Administrators::default();
        for command in commands {
            let were_there = !administrators.seated.is_empty();
            let _ = handle(&mut administrators, command);
            prop_assert!(!were_there || !administrators.seated.is_empty());
        }
    }

    #[test]
    fn service_keys_keep_the_laws(commands in commands::service_key(), shuffle in shuffle()) {
        check::<ServiceKey>(commands, &shuffle)?;
    }

    #[test]
    fn webhook_sinks_keep_the_laws(commands in commands::webhook_sink(), shuffle in shuffle()) {
        check::<WebhookSink>(commands, &shuffle)?;
    }

    #[test]
    fn forgotten_sessions_keep_the_laws(
        commands in commands::forgotten_sessions(),
        shuffle in shuffle(),
    ) {
        check::<ForgottenSessions>(commands, &shuffle)?;
    }

    #[test]
    fn a_sessions_memory_of_spent_tokens_is_bounded(refreshes in 0_u8..120) {
        let mut session = Session::default();
        for command in commands::refresh_chain(refreshes) {
            handle(&mut session, command).unwrap();
        }
        let Session::Live(live) = session else { panic!("the session lives") };
        let expected = usize::from(refreshes).min(crate::session::SPENT_REFRESH_TOKENS_MAX);
        prop_assert_eq!(live.spent.len(), expected);
    }

    #[test]
    fn at_most_one_account_holds_an_address(commands in commands::email_claim()) {
        let mut claim = EmailClaim::default();
        for command in commands {
            let before = claim.holder();
            let _ = handle(&mut claim, command);
            let passed_on = before.is_some() && claim.holder().is_some();
            prop_assert!(!passed_on || before == claim.holder());
        }
    }
}

/// The types of the events in many random histories.
fn reached<A>(commands: impl Strategy<Value = Vec<A::Command>>) -> BTreeSet<String>
where
    A: Aggregate<Services = ()> + Clone + PartialEq + Debug,
{
    let mut runner = TestRunner::deterministic();
    let mut types = BTreeSet::new();
    for _ in 0..512 {
        let commands = commands.new_tree(&mut runner).unwrap().current();
        let history = check_history::<A>(commands).unwrap();
        types.extend(history.iter().map(DomainEvent::event_type));
    }
    types
}

#[test]
fn random_histories_reach_every_event_type() {
    let reached = [
        reached::<User>(commands::user()),
        reached::<EmailClaim>(commands::email_claim()),
        reached::<Session>(commands::session()),
        reached::<Media>(commands::media()),
        reached::<MediaJob>(commands::media_job()),
        reached::<Administrators>(commands::administrators()),
        reached::<ServiceKey>(commands::service_key()),
        reached::<WebhookSink>(commands::webhook_sink()),
        reached::<ForgottenSessions>(commands::forgotten_sessions()),
    ];
    let reached: BTreeSet<String> = reached.into_iter().flatten().collect();
    let all: BTreeSet<String> = crate::all_event_types()
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(reached, all);
}

/// An aggregate whose snapshot forgets something: the law must notice.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Forgetful {
    media: Media,
    #[serde(skip)]
    deletions: u32,
}

impl Aggregate for Forgetful {
    const TYPE: &'static str = "forgetful";
    type Command = MediaCommand;
    type Event = MediaEvent;
    type Error = MediaError;
    type Services = ();

    async fn handle(
        &mut self,
        command: MediaCommand,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), MediaError> {
        let events = self.media.decide(command)?;
        crate::sink::write_all(self, events, sink).await;
        Ok(())
    }

    /// The count is not part of the snapshot.
    fn apply(&mut self, event: MediaEvent) {
        self.deletions += u32::from(matches!(event, MediaEvent::MediaDeleted { .. }));
        self.media.apply(event);
    }
}

#[test]
fn the_law_catches_a_stage_that_its_snapshot_does_not_hold() {
    let law = TestRunner::deterministic().run(&commands::media(), |commands| {
        check_history::<Forgetful>(commands).map(|_| ())
    });
    assert!(matches!(law, Err(TestError::Fail(..))));
}
