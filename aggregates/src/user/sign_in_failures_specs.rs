//! The rules of wrong passwords, one sentence each.

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

fn begin(began: i64) -> UserCommand {
    UserCommand::SignInFailures(SignInFailuresCommand::Begin {
        began_at: at(began),
        failures: 10,
        at: at(began + 5),
    })
}

fn began(began: i64) -> UserEvent {
    UserEvent::SignInFailuresBegan {
        began_at: at(began),
        failures: 10,
        at: at(began + 5),
    }
}

fn count(began: i64, is_over: bool) -> UserCommand {
    UserCommand::SignInFailures(SignInFailuresCommand::Count {
        began_at: at(began),
        failures: 7,
        is_over,
        at: at(began + 60),
    })
}

fn counted(began: i64, is_over: bool) -> UserEvent {
    UserEvent::SignInFailuresCounted {
        began_at: at(began),
        failures: 7,
        is_over,
        at: at(began + 60),
    }
}

#[test]
fn a_flood_of_wrong_passwords_begins_once() {
    given::<User>([registered()])
        .when(begin(10))
        .then_expect_events(vec![began(10)]);
    given::<User>([registered(), began(10)])
        .when(begin(10))
        .then_expect_events(vec![]);
    given::<User>([registered(), began(10), counted(10, false)])
        .when(begin(70))
        .then_expect_events(vec![]);
}

#[test]
fn each_window_of_a_flood_is_counted_once() {
    given::<User>([registered(), began(10)])
        .when(count(10, false))
        .then_expect_events(vec![counted(10, false)]);
    given::<User>([registered(), began(10), counted(10, false)])
        .when(count(10, false))
        .then_expect_events(vec![]);
    given::<User>([registered(), began(10), counted(10, false)])
        .when(count(70, true))
        .then_expect_events(vec![counted(70, true)]);
}

#[test]
fn nothing_is_counted_outside_a_flood() {
    given::<User>([registered()])
        .when(count(10, false))
        .then_expect_events(vec![]);
    given::<User>([registered(), began(10), counted(10, true)])
        .when(count(10, true))
        .then_expect_events(vec![]);
}

#[test]
fn after_a_flood_another_one_can_begin() {
    given::<User>([registered(), began(10), counted(10, true)])
        .when(begin(500))
        .then_expect_events(vec![began(500)]);
}

#[test]
fn a_flood_against_a_disabled_account_is_told_too() {
    let disabled = UserEvent::UserDisabled {
        reason: DisableReason::Abuse,
        at: at(1),
    };
    given::<User>([registered(), disabled])
        .when(begin(10))
        .then_expect_events(vec![began(10)]);
}

#[test]
fn nobody_has_no_failures() {
    for command in [begin(10), count(10, true)] {
        given_nothing::<User>()
            .when(command)
            .then_expect_error(UserError::NotRegistered);
    }
}
