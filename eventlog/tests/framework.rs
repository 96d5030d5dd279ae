//! The log under cqrs-es: `CqrsFramework` over `LogEventStore`, and `Log::execute`, on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names its own commands"
)]

mod support;

use std::collections::HashMap;

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateError, CqrsFramework, DomainEvent, EventStore as _};
use eventlog::{CommandContext, ExecuteError, LogEventStore, Metadata};
use serde::{Deserialize, Serialize};
use support::{ENGINES, database, open};
use uuid::Uuid;

/// Money that may not run out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Purse {
    coins: u64,
}

#[derive(Debug, Clone)]
enum Command {
    Put(u64),
    Take(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Event {
    Changed { coins: u64 },
}

#[derive(Debug, PartialEq, thiserror::Error)]
#[error("there is not so much")]
struct TooLittle;

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        "Changed".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Purse {
    const TYPE: &'static str = "purse";
    type Command = Command;
    type Event = Event;
    type Error = TooLittle;
    type Services = ();

    async fn handle(
        &mut self,
        command: Command,
        (): &(),
        sink: &EventSink<Self>,
    ) -> Result<(), TooLittle> {
        let coins = match command {
            Command::Put(0) => return Ok(()),
            Command::Put(coins) => self.coins + coins,
            Command::Take(coins) => self.coins.checked_sub(coins).ok_or(TooLittle)?,
        };
        sink.write(Event::Changed { coins }, self).await;
        Ok(())
    }

    fn apply(&mut self, Event::Changed { coins }: Event) {
        self.coins = coins;
    }
}

fn context() -> CommandContext {
    CommandContext {
        command_id: Uuid::new_v4(),
        metadata: Metadata::default(),
        creates: false,
    }
}

#[tokio::test]
async fn the_framework_runs_over_the_log() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let store = || LogEventStore::<Purse>::new(log.clone(), Uuid::new_v4);
        let framework = CqrsFramework::new(store(), Vec::new(), ());
        framework.execute("p", Command::Put(5)).await.unwrap();
        let actor = HashMap::from([("actor".to_owned(), "me".to_owned())]);
        framework
            .execute_with_metadata("p", Command::Take(2), actor)
            .await
            .unwrap();
        let refused = framework.execute("p", Command::Take(9)).await;
        assert!(
            matches!(refused, Err(AggregateError::UserError(TooLittle))),
            "{engine}"
        );
        let events = store().load_events("p").await.unwrap();
        assert_eq!(
            (events.len(), events[1].sequence, &events[1].payload),
            (2, 2, &Event::Changed { coins: 3 })
        );
        assert_eq!(events[1].metadata["actor"], "me");
    }
}

#[tokio::test]
async fn a_command_that_ran_before_has_the_same_outcome_and_writes_nothing() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let same = context();
        let first = log
            .execute::<Purse>("p", Command::Put(5), &same)
            .await
            .unwrap();
        log.execute::<Purse>("p", Command::Put(1), &context())
            .await
            .unwrap();
        let again = log
            .execute::<Purse>("p", Command::Put(5), &same)
            .await
            .unwrap();
        assert_eq!(
            (again.position, again.events),
            (first.position, first.events),
            "{engine}"
        );
        assert_eq!(log.head().await.unwrap(), 2, "{engine}");
        let nothing = log
            .execute::<Purse>("p", Command::Put(0), &context())
            .await
            .unwrap();
        assert_eq!(
            (nothing.position, nothing.aggregate, nothing.version),
            (None, Purse { coins: 6 }, 2)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_race_are_decided_anew_and_none_is_lost() {
    for engine in ENGINES {
        let (database, _, _folder) = database(engine).await;
        let log = open(&database).await;
        let racing = (0..40).map(|_| {
            let log = log.clone();
            async move {
                loop {
                    match log.execute::<Purse>("p", Command::Put(1), &context()).await {
                        Err(ExecuteError::Conflict) => {}
                        other => return other.unwrap(),
                    }
                }
            }
        });
        futures::future::join_all(racing).await;
        assert_eq!(
            log.load::<Purse>("p").await.unwrap(),
            (Purse { coins: 40 }, 40),
            "{engine}"
        );
    }
}

/// What one node has in memory is stale when another writes; its refusals are still true.
#[tokio::test]
async fn a_stale_memory_neither_refuses_nor_allows_wrongly() {
    let (one, url, _folder) = database("postgres").await;
    let two = eventlog::Database::open(&url).await.unwrap();
    let (here, there) = (open(&one).await, open(&two).await);
    here.execute::<Purse>("p", Command::Put(1), &context())
        .await
        .unwrap();
    there
        .execute::<Purse>("p", Command::Put(9), &context())
        .await
        .unwrap();
    here.execute::<Purse>("p", Command::Take(8), &context())
        .await
        .unwrap();
    let refused = there
        .execute::<Purse>("p", Command::Take(9), &context())
        .await;
    assert!(matches!(refused, Err(ExecuteError::Refused(TooLittle))));
    assert_eq!(there.load::<Purse>("p").await.unwrap().0.coins, 2);
}
