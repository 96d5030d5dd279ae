//! The rules of accounts, one sentence each.

use chrono::TimeDelta;

use super::*;
use crate::testing::{at, given, given_nothing, id, sealed};
use crate::values::Role;

fn register(seconds: i64) -> UserCommand {
    UserCommand::Register {
        user_id: id(1),
        email: sealed("ann@example.com"),
        email_claim_id: id(9),
        name: Some(sealed("Ann")),
        roles: vec![Role::Auditor],
        is_email_verified: false,
        at: at(seconds),
    }
}

fn registered() -> UserEvent {
    UserEvent::UserRegistered {
        user_id: id(1),
        email: sealed("ann@example.com"),
        email_claim_id: id(9),
        name: Some(sealed("Ann")),
        roles: vec![Role::Auditor],
        at: at(0),
    }
}

fn abandoned() -> UserEvent {
    UserEvent::UserRegistrationAbandoned { at: at(1) }
}

fn disabled() -> UserEvent {
    UserEvent::UserDisabled {
        reason: DisableReason::Abuse,
        at: at(2),
    }
}

fn disable(seconds: i64) -> UserCommand {
    UserCommand::Disable {
        reason: DisableReason::Abuse,
        rights_revision: 0,
        at: at(seconds),
    }
}

fn nameless(seconds: i64) -> UserEvent {
    UserEvent::UserNameChanged {
        name: None,
        at: at(seconds),
    }
}

#[test]
fn a_person_registers() {
    given_nothing::<User>()
        .when(register(0))
        .then_expect_events(vec![registered()]);
}

#[test]
fn an_account_is_registered_once() {
    given::<User>([registered()])
        .when(register(9))
        .then_expect_error(UserError::AlreadyRegistered);
    given::<User>([registered(), disabled()])
        .when(register(9))
        .then_expect_error(UserError::AlreadyRegistered);
}

#[test]
fn a_registration_that_never_came_is_fenced() {
    given_nothing::<User>()
        .when(UserCommand::AbandonRegistration { at: at(1) })
        .then_expect_events(vec![abandoned()]);
}

#[test]
fn a_late_registration_fails_at_the_fence() {
    given::<User>([abandoned()])
        .when(register(9))
        .then_expect_error(UserError::RegistrationAbandoned);
}

#[test]
fn fencing_twice_changes_nothing() {
    given::<User>([abandoned()])
        .when(UserCommand::AbandonRegistration { at: at(9) })
        .then_expect_events(vec![]);
}

#[test]
fn an_account_that_exists_cannot_be_fenced() {
    for history in [vec![registered()], vec![registered(), disabled()]] {
        given::<User>(history)
            .when(UserCommand::AbandonRegistration { at: at(9) })
            .then_expect_error(UserError::AlreadyRegistered);
    }
}

#[test]
fn a_person_changes_their_name() {
    let name = Some(sealed("Anna"));
    given::<User>([registered()])
        .when(UserCommand::ChangeName {
            name: name.clone(),
            at: at(3),
        })
        .then_expect_events(vec![UserEvent::UserNameChanged { name, at: at(3) }]);
}

#[test]
fn a_person_takes_their_name_away_once() {
    given::<User>([registered()])
        .when(UserCommand::ChangeName {
            name: None,
            at: at(3),
        })
        .then_expect_events(vec![nameless(3)]);
    given::<User>([registered(), nameless(3)])
        .when(UserCommand::ChangeName {
            name: None,
            at: at(4),
        })
        .then_expect_events(vec![]);
}

#[test]
fn a_disabled_account_keeps_its_name() {
    given::<User>([registered(), disabled()])
        .when(UserCommand::ChangeName {
            name: None,
            at: at(3),
        })
        .then_expect_error(UserError::UserDisabled);
}

fn change_password(new: u8, replaces: u8, seconds: i64) -> UserCommand {
    UserCommand::ChangePassword {
        password_id: id(new),
        replaces: id(replaces),
        from_session: id(5),
        end_other_sessions: true,
        at: at(seconds),
    }
}

fn password_changed(new: u8, replaced: u8, seconds: i64) -> UserEvent {
    UserEvent::PasswordChanged {
        password_id: id(new),
        replaced: id(replaced),
        from_session: id(5),
        end_other_sessions: true,
        at: at(seconds),
    }
}

#[test]
fn a_person_changes_the_password_that_they_registered_with() {
    given::<User>([registered()])
        .when(change_password(7, 1, 3))
        .then_expect_events(vec![password_changed(7, 1, 3)]);
}

#[test]
fn a_password_is_changed_only_by_whoever_proved_the_present_one() {
    given::<User>([registered(), password_changed(7, 1, 3)])
        .when(change_password(8, 1, 4))
        .then_expect_error(UserError::PasswordReplaced);
    given::<User>([registered(), password_changed(7, 1, 3)])
        .when(change_password(8, 7, 4))
        .then_expect_events(vec![password_changed(8, 7, 4)]);
}

#[test]
fn a_disabled_account_keeps_its_password() {
    given::<User>([registered(), disabled()])
        .when(change_password(7, 1, 3))
        .then_expect_error(UserError::UserDisabled);
}

#[test]
fn an_account_is_disabled() {
    given::<User>([registered()])
        .when(disable(2))
        .then_expect_events(vec![disabled()]);
}

#[test]
fn disabling_twice_changes_nothing() {
    given::<User>([registered(), disabled()])
        .when(disable(9))
        .then_expect_events(vec![]);
}

fn enable(seconds: i64) -> UserCommand {
    UserCommand::Enable {
        deletion_grace: TimeDelta::seconds(50),
        at: at(seconds),
    }
}

#[test]
fn a_disabled_account_is_enabled_again() {
    given::<User>([registered(), disabled()])
        .when(enable(3))
        .then_expect_events(vec![UserEvent::UserEnabled { at: at(3) }]);
}

#[test]
fn enabling_an_enabled_account_changes_nothing() {
    given::<User>([registered()])
        .when(enable(3))
        .then_expect_events(vec![]);
}

#[test]
fn an_account_that_was_enabled_again_is_like_one_that_never_was_disabled() {
    let enabled = UserEvent::UserEnabled { at: at(3) };
    given::<User>([registered(), disabled(), enabled])
        .when(UserCommand::Disable {
            reason: DisableReason::Abuse,
            rights_revision: 2,
            at: at(4),
        })
        .then_expect_events(vec![UserEvent::UserDisabled {
            reason: DisableReason::Abuse,
            at: at(4),
        }]);
}

#[test]
fn nothing_can_be_asked_of_an_account_that_does_not_exist() {
    let commands = [
        UserCommand::ChangeName {
            name: None,
            at: at(9),
        },
        change_password(7, 1, 9),
        disable(9),
        enable(9),
    ];
    for command in commands {
        given_nothing::<User>()
            .when(command.clone())
            .then_expect_error(UserError::NotRegistered);
        given::<User>([abandoned()])
            .when(command)
            .then_expect_error(UserError::NotRegistered);
    }
}
