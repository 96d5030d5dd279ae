//! The rules of leaving, one sentence each.

use chrono::TimeDelta;

use super::*;
use crate::testing::{at, given, given_nothing, id, sealed};
use crate::values::Role;

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

fn wanted() -> UserEvent {
    UserEvent::UserDeletionRequested {
        erase_at: at(100),
        at: at(5),
    }
}

fn started() -> UserEvent {
    UserEvent::UserErasureStarted {
        reason: ErasureReason::ByAdministrator,
        at: at(6),
    }
}

fn want(seconds: i64) -> UserCommand {
    UserCommand::Erasure(ErasureCommand::RequestDeletion {
        erase_at: at(100),
        at: at(seconds),
    })
}

fn enable(seconds: i64) -> UserCommand {
    UserCommand::Enable {
        deletion_grace: TimeDelta::seconds(50),
        at: at(seconds),
    }
}

fn take_back() -> UserCommand {
    UserCommand::Erasure(ErasureCommand::CancelDeletion { at: at(8) })
}

fn start(reason: ErasureReason, seconds: i64) -> UserCommand {
    UserCommand::Erasure(ErasureCommand::Start {
        reason,
        at: at(seconds),
    })
}

fn finish() -> UserCommand {
    UserCommand::Erasure(ErasureCommand::Finish { at: at(9) })
}

#[test]
fn a_person_asks_for_the_erasure_once() {
    given::<User>(vec![registered()])
        .when(want(5))
        .then_expect_events(vec![wanted()]);
    given::<User>(vec![registered(), wanted()])
        .when(want(50))
        .then_expect_events(vec![]);
    given_nothing::<User>()
        .when(want(5))
        .then_expect_error(UserError::NotRegistered);
}

#[test]
fn a_person_takes_it_back_until_it_is_done() {
    given::<User>(vec![registered(), wanted()])
        .when(take_back())
        .then_expect_events(vec![UserEvent::UserDeletionCancelled { at: at(8) }]);
    given::<User>(vec![registered()])
        .when(take_back())
        .then_expect_events(vec![]);
    given::<User>(vec![registered(), wanted(), started()])
        .when(take_back())
        .then_expect_error(UserError::UserErased);
}

#[test]
fn what_was_asked_for_is_done_when_its_time_has_come_and_not_before() {
    let reason = ErasureReason::Requested;
    given::<User>(vec![registered(), wanted()])
        .when(start(reason, 99))
        .then_expect_error(UserError::ErasureNotDue);
    given::<User>(vec![registered(), wanted()])
        .when(start(reason, 100))
        .then_expect_events(vec![UserEvent::UserErasureStarted {
            reason,
            at: at(100),
        }]);
    given::<User>(vec![registered()])
        .when(start(reason, 100))
        .then_expect_error(UserError::ErasureNotDue);
    let taken_back = UserEvent::UserDeletionCancelled { at: at(8) };
    given::<User>(vec![registered(), wanted(), taken_back])
        .when(start(reason, 100))
        .then_expect_error(UserError::ErasureNotDue);
}

/// Whoever is shut out cannot take back what a thief asked for.
#[test]
fn a_disabled_account_is_erased_only_by_an_administrator() {
    let disabled = UserEvent::UserDisabled {
        reason: DisableReason::Compromised,
        at: at(7),
    };
    let reason = ErasureReason::Requested;
    given::<User>(vec![registered(), wanted(), disabled.clone()])
        .when(start(reason, 100))
        .then_expect_error(UserError::ErasureNotDue);
    given::<User>(vec![registered(), wanted(), disabled])
        .when(start(ErasureReason::ByAdministrator, 6))
        .then_expect_events(vec![started()]);
}

/// The person could not take it back, nor hear of it.
#[test]
fn a_deletion_that_waited_while_the_account_was_disabled_has_its_grace_anew() {
    let disabled = UserEvent::UserDisabled {
        reason: DisableReason::Compromised,
        at: at(7),
    };
    let history = vec![registered(), wanted(), disabled];
    let enabled = |seconds| UserEvent::UserEnabled { at: at(seconds) };
    let postponed = |seconds: i64| UserEvent::UserDeletionRequested {
        erase_at: at(seconds + 50),
        at: at(seconds),
    };
    for seconds in [60, 100, 5000] {
        given::<User>(history.clone())
            .when(enable(seconds))
            .then_expect_events(vec![enabled(seconds), postponed(seconds)]);
    }
    // It has as long as that all the same.
    given::<User>(history.clone())
        .when(enable(20))
        .then_expect_events(vec![enabled(20)]);
    let again = [history, vec![enabled(5000), postponed(5000)]].concat();
    given::<User>(again.clone())
        .when(start(ErasureReason::Requested, 5049))
        .then_expect_error(UserError::ErasureNotDue);
    given::<User>(again)
        .when(start(ErasureReason::Requested, 5050))
        .then_expect_events(vec![UserEvent::UserErasureStarted {
            reason: ErasureReason::Requested,
            at: at(5050),
        }]);
}

/// Whoever knew the former password may have asked for it.
#[test]
fn a_new_password_takes_a_deletion_back() {
    let reset = UserEvent::PasswordReset {
        password_id: id(3),
        replaced: id(1),
        at: at(9),
    };
    given::<User>(vec![registered(), wanted()])
        .when(UserCommand::ResetPassword {
            password_id: id(3),
            replaces: id(1),
            at: at(9),
        })
        .then_expect_events(vec![
            reset,
            UserEvent::EmailVerified {
                email_claim_id: id(9),
                at: at(9),
            },
            UserEvent::UserDeletionCancelled { at: at(9) },
        ]);
}

#[test]
fn an_administrator_erases_at_once() {
    given::<User>(vec![registered()])
        .when(start(ErasureReason::ByAdministrator, 6))
        .then_expect_events(vec![started()]);
    given::<User>(vec![registered(), started()])
        .when(start(ErasureReason::ByAdministrator, 7))
        .then_expect_events(vec![]);
    given_nothing::<User>()
        .when(start(ErasureReason::ByAdministrator, 6))
        .then_expect_error(UserError::NotRegistered);
}

#[test]
fn the_end_is_noted_once_and_only_of_an_erasure_that_began() {
    let erased = UserEvent::UserErased { at: at(9) };
    given::<User>(vec![registered(), started()])
        .when(finish())
        .then_expect_events(vec![erased.clone()]);
    given::<User>(vec![registered(), started(), erased])
        .when(finish())
        .then_expect_events(vec![]);
    given::<User>(vec![registered()])
        .when(finish())
        .then_expect_error(UserError::ErasureNotStarted);
}

#[test]
fn nothing_else_happens_to_an_account_that_is_going() {
    let rename = UserCommand::ChangeName {
        name: None,
        at: at(9),
    };
    for command in [enable(9), rename, want(9)] {
        given::<User>(vec![registered(), started()])
            .when(command)
            .then_expect_error(UserError::UserErased);
    }
    let again = UserCommand::AbandonRegistration { at: at(9) };
    given::<User>(vec![registered(), started()])
        .when(again)
        .then_expect_error(UserError::AlreadyRegistered);
}

#[test]
fn an_administrator_loses_the_role_before_the_erasure() {
    let administrator = UserEvent::UserRolesChanged {
        roles: vec![Role::Admin],
        at: at(1),
    };
    given::<User>(vec![registered(), administrator])
        .when(start(ErasureReason::ByAdministrator, 6))
        .then_expect_error(UserError::StillAdministrator);
}
