//! The rules of wrong codes of the second factor, one sentence each.

use super::SecondFactorStage::{Session, SignIn};
use super::*;
use crate::testing::{at, given, given_nothing, id, sealed};

fn registered() -> UserEvent {
    UserEvent::UserRegistered {
        user_id: id(1),
        email: sealed("ann@example.com"),
        email_claim_id: id(9),
        name: None,
        roles: Vec::new(),
        at: at(0),
    }
}

fn begin(stage: SecondFactorStage, began: i64) -> UserCommand {
    let command = SignInFailuresCommand::Begin {
        began_at: at(began),
        failures: 5,
        at: at(began + 5),
    };
    UserCommand::SecondFactorFailures(stage, command)
}

fn began(stage: SecondFactorStage, began: i64) -> UserEvent {
    UserEvent::SecondFactorFailuresBegan {
        stage,
        began_at: at(began),
        failures: 5,
        at: at(began + 5),
    }
}

fn count(stage: SecondFactorStage, began: i64, is_over: bool) -> UserCommand {
    let command = SignInFailuresCommand::Count {
        began_at: at(began),
        failures: 7,
        is_over,
        at: at(began + 60),
    };
    UserCommand::SecondFactorFailures(stage, command)
}

fn counted(stage: SecondFactorStage, began: i64, is_over: bool) -> UserEvent {
    UserEvent::SecondFactorFailuresCounted {
        stage,
        began_at: at(began),
        failures: 7,
        is_over,
        at: at(began + 60),
    }
}

#[test]
fn a_flood_of_wrong_codes_begins_once_where_they_were_asked_for() {
    given::<User>([registered()])
        .when(begin(SignIn, 10))
        .then_expect_events(vec![began(SignIn, 10)]);
    given::<User>([registered(), began(SignIn, 10)])
        .when(begin(SignIn, 10))
        .then_expect_events(vec![]);
    given::<User>([registered(), began(SignIn, 10)])
        .when(begin(Session, 10))
        .then_expect_events(vec![began(Session, 10)]);
}

#[test]
fn each_window_of_a_flood_is_counted_once() {
    given::<User>([registered(), began(SignIn, 10)])
        .when(count(SignIn, 10, false))
        .then_expect_events(vec![counted(SignIn, 10, false)]);
    given::<User>([registered(), began(SignIn, 10), counted(SignIn, 10, false)])
        .when(count(SignIn, 10, false))
        .then_expect_events(vec![]);
    given::<User>([registered(), began(SignIn, 10)])
        .when(count(Session, 10, false))
        .then_expect_events(vec![]);
}

#[test]
fn after_a_flood_another_one_can_begin() {
    given::<User>([registered(), began(SignIn, 10), counted(SignIn, 10, true)])
        .when(begin(SignIn, 500))
        .then_expect_events(vec![began(SignIn, 500)]);
}

#[test]
fn nobody_has_no_wrong_codes() {
    for command in [begin(SignIn, 10), count(Session, 10, true)] {
        given_nothing::<User>()
            .when(command)
            .then_expect_error(UserError::NotRegistered);
    }
}
