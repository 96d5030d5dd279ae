//! The rules of webhook sinks, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id};
use crate::values::WebhookSinkName;

type Command = WebhookSinkCommand;
type Event = WebhookSinkEvent;

fn create() -> Command {
    Command::Create {
        webhook_sink_id: id(7),
        name: WebhookSinkName::parse("siem").unwrap(),
        origin: "https://siem.example.com".to_owned(),
        event_types: ["B", "A", "B"].map(str::to_owned).to_vec(),
        format: WebhookFormat::CloudEvents,
        after: 3,
        secret_id: id(8),
        created_by: id(1),
        at: at(1),
    }
}

fn created() -> Event {
    Event::WebhookSinkCreated {
        webhook_sink_id: id(7),
        name: "siem".to_owned(),
        origin: "https://siem.example.com".to_owned(),
        event_types: ["A", "B"].map(str::to_owned).to_vec(),
        format: WebhookFormat::CloudEvents,
        after: 3,
        secret_id: id(8),
        created_by: id(1),
        at: at(1),
    }
}

fn pause() -> Command {
    Command::Pause {
        by: id(1),
        at: at(2),
    }
}

fn paused() -> Event {
    Event::WebhookSinkPaused {
        by: id(1),
        at: at(2),
    }
}

fn resume() -> Command {
    Command::Resume {
        by: id(1),
        at: at(3),
    }
}

fn park() -> Command {
    Command::Park {
        position: 9,
        attempts: 5,
        at: at(2),
    }
}

fn parked() -> Event {
    Event::WebhookSinkParked {
        position: 9,
        attempts: 5,
        at: at(2),
    }
}

fn retry() -> Command {
    Command::Retry {
        by: id(1),
        at: at(3),
    }
}

fn remove() -> Command {
    Command::Remove {
        by: id(1),
        at: at(4),
    }
}

fn removed() -> Event {
    Event::WebhookSinkRemoved {
        by: id(1),
        at: at(4),
    }
}

fn rotate() -> Command {
    Command::RotateSecret {
        secret_id: id(9),
        by: id(1),
        at: at(4),
    }
}

#[test]
fn a_sink_is_made_once_with_each_type_once() {
    given_nothing::<WebhookSink>()
        .when(create())
        .then_expect_events(vec![created()]);
    for history in [vec![created()], vec![created(), removed()]] {
        given::<WebhookSink>(history)
            .when(create())
            .then_expect_error(WebhookSinkError::AlreadyCreated);
    }
}

#[test]
fn a_sink_is_paused_and_resumed() {
    given::<WebhookSink>([created()])
        .when(pause())
        .then_expect_events(vec![paused()]);
    given::<WebhookSink>([created(), paused()])
        .when(pause())
        .then_expect_events(vec![]);
    given::<WebhookSink>([created(), paused()])
        .when(resume())
        .then_expect_events(vec![Event::WebhookSinkResumed {
            by: id(1),
            at: at(3),
        }]);
    given::<WebhookSink>([created()])
        .when(resume())
        .then_expect_events(vec![]);
}

#[test]
fn only_an_active_sink_is_parked_and_only_a_parked_one_retried() {
    given::<WebhookSink>([created()])
        .when(park())
        .then_expect_events(vec![parked()]);
    for history in [vec![created(), paused()], vec![created(), parked()]] {
        given::<WebhookSink>(history)
            .when(park())
            .then_expect_events(vec![]);
    }
    given::<WebhookSink>([created(), parked()])
        .when(retry())
        .then_expect_events(vec![Event::WebhookSinkRetried {
            by: id(1),
            at: at(3),
        }]);
    given::<WebhookSink>([created()])
        .when(retry())
        .then_expect_events(vec![]);
}

#[test]
fn a_parked_sink_may_be_paused_and_goes_on_when_it_is_resumed() {
    given::<WebhookSink>([created(), parked()])
        .when(pause())
        .then_expect_events(vec![paused()]);
    given::<WebhookSink>([created(), parked()])
        .when(resume())
        .then_expect_events(vec![]);
}

#[test]
fn a_sink_gets_another_secret_in_any_stage_of_its_life() {
    for history in [
        vec![created()],
        vec![created(), paused()],
        vec![created(), parked()],
    ] {
        given::<WebhookSink>(history)
            .when(rotate())
            .then_expect_events(vec![Event::WebhookSecretRotated {
                secret_id: id(9),
                by: id(1),
                at: at(4),
            }]);
    }
}

#[test]
fn a_sink_is_removed_for_good() {
    given::<WebhookSink>([created(), paused()])
        .when(remove())
        .then_expect_events(vec![removed()]);
    given::<WebhookSink>([created(), removed()])
        .when(remove())
        .then_expect_events(vec![]);
    for command in [pause(), resume(), park(), retry(), rotate()] {
        given::<WebhookSink>([created(), removed()])
            .when(command.clone())
            .then_expect_error(WebhookSinkError::NotThere);
        given_nothing::<WebhookSink>()
            .when(command)
            .then_expect_error(WebhookSinkError::NotThere);
    }
    given_nothing::<WebhookSink>()
        .when(remove())
        .then_expect_error(WebhookSinkError::NotThere);
}
