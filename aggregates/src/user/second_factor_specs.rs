//! The rules of the second factor, one sentence each.

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

fn enable(totp: u8) -> UserCommand {
    UserCommand::SecondFactor(SecondFactorCommand::Enable {
        totp_id: id(totp),
        codes_id: id(20),
        count: 3,
        most_an_hour: 4,
        at: at(5),
    })
}

fn disable(totp: u8) -> UserCommand {
    UserCommand::SecondFactor(SecondFactorCommand::Disable {
        totp_id: id(totp),
        at: at(6),
    })
}

fn issue(totp: u8, codes: u8) -> UserCommand {
    UserCommand::SecondFactor(SecondFactorCommand::IssueRecoveryCodes {
        totp_id: id(totp),
        codes_id: id(codes),
        count: 3,
        most_an_hour: 4,
        at: at(5),
    })
}

fn use_code(codes: u8, number: u8) -> UserCommand {
    UserCommand::SecondFactor(SecondFactorCommand::UseRecoveryCode {
        codes_id: id(codes),
        number,
        at: at(7),
    })
}

fn enabled(totp: u8) -> UserEvent {
    UserEvent::TotpEnabled {
        totp_id: id(totp),
        at: at(5),
    }
}

fn disabled() -> UserEvent {
    UserEvent::TotpDisabled {
        totp_id: id(10),
        at: at(6),
    }
}

fn issued(codes: u8) -> UserEvent {
    UserEvent::RecoveryCodesIssued {
        codes_id: id(codes),
        count: 3,
        at: at(5),
    }
}

fn used(number: u8, left: u8) -> UserEvent {
    UserEvent::RecoveryCodeUsed {
        codes_id: id(20),
        number,
        left,
        at: at(7),
    }
}

fn protected() -> Vec<UserEvent> {
    vec![registered(), enabled(10), issued(20)]
}

fn protected_then(event: UserEvent) -> Vec<UserEvent> {
    let mut events = protected();
    events.push(event);
    events
}

#[test]
fn a_second_factor_comes_with_recovery_codes() {
    given::<User>([registered()])
        .when(enable(10))
        .then_expect_events(vec![enabled(10), issued(20)]);
}

#[test]
fn there_is_one_second_factor_at_a_time() {
    given::<User>(protected())
        .when(enable(11))
        .then_expect_error(UserError::TotpAlreadyEnabled);
    given::<User>(protected_then(disabled()))
        .when(enable(11))
        .then_expect_events(vec![enabled(11), issued(20)]);
}

#[test]
fn a_second_factor_is_turned_off_once() {
    given::<User>(protected())
        .when(disable(10))
        .then_expect_events(vec![disabled()]);
    given::<User>(protected_then(disabled()))
        .when(disable(10))
        .then_expect_events(vec![]);
}

#[test]
fn only_the_factor_that_is_meant_is_turned_off() {
    given::<User>(protected())
        .when(disable(11))
        .then_expect_events(vec![]);
}

#[test]
fn a_recovery_code_is_used_once() {
    given::<User>(protected())
        .when(use_code(20, 1))
        .then_expect_events(vec![used(1, 2)]);
    given::<User>(protected_then(used(1, 2)))
        .when(use_code(20, 1))
        .then_expect_error(UserError::RecoveryCodeSpent);
    given::<User>(protected_then(used(1, 2)))
        .when(use_code(20, 2))
        .then_expect_events(vec![used(2, 1)]);
}

#[test]
fn a_number_beyond_the_set_is_no_code() {
    given::<User>(protected())
        .when(use_code(20, 3))
        .then_expect_error(UserError::RecoveryCodeSpent);
}

#[test]
fn new_recovery_codes_kill_the_former_ones() {
    given::<User>(protected())
        .when(issue(10, 21))
        .then_expect_events(vec![issued(21)]);
    given::<User>(protected_then(issued(21)))
        .when(use_code(20, 1))
        .then_expect_error(UserError::RecoveryCodeSpent);
}

#[test]
fn recovery_codes_are_made_only_by_whoever_proved_the_factor_that_is_on() {
    given::<User>(protected())
        .when(issue(11, 21))
        .then_expect_error(UserError::TotpNotEnabled);
    given::<User>([registered()])
        .when(issue(10, 21))
        .then_expect_error(UserError::TotpNotEnabled);
}

#[test]
fn recovery_codes_die_with_their_factor() {
    given::<User>(protected_then(disabled()))
        .when(use_code(20, 1))
        .then_expect_error(UserError::RecoveryCodeSpent);
}

#[test]
fn an_account_that_was_disabled_keeps_its_second_factor_as_it_is() {
    let shut = UserEvent::UserDisabled {
        reason: DisableReason::Abuse,
        at: at(6),
    };
    for command in [disable(10), use_code(20, 1), issue(10, 21)] {
        given::<User>(protected_then(shut.clone()))
            .when(command)
            .then_expect_error(UserError::UserDisabled);
    }
    let again = vec![shut, UserEvent::UserEnabled { at: at(7) }];
    given::<User>([protected(), again].concat())
        .when(enable(11))
        .then_expect_error(UserError::TotpAlreadyEnabled);
}

/// Each change is events, which stay for ever.
#[test]
fn a_second_factor_changes_only_so_often_in_an_hour_and_can_be_turned_off_all_the_same() {
    let mut often = protected();
    for codes in 21..24 {
        often.push(issued(codes));
    }
    let refused = UserError::TooManyFactorChanges {
        retry_after_seconds: 3600,
    };
    given::<User>(often.clone())
        .when(issue(10, 30))
        .then_expect_error(refused);
    given::<User>(often.clone())
        .when(disable(10))
        .then_expect_events(vec![disabled()]);
    often.push(disabled());
    given::<User>(often.clone())
        .when(enable(11))
        .then_expect_error(refused);
    let later = UserCommand::SecondFactor(SecondFactorCommand::Enable {
        totp_id: id(11),
        codes_id: id(30),
        count: 3,
        most_an_hour: 4,
        at: at(3605),
    });
    let (on, codes) = (
        UserEvent::TotpEnabled {
            totp_id: id(11),
            at: at(3605),
        },
        UserEvent::RecoveryCodesIssued {
            codes_id: id(30),
            count: 3,
            at: at(3605),
        },
    );
    given::<User>(often)
        .when(later)
        .then_expect_events(vec![on, codes]);
}

#[test]
fn nobody_has_no_second_factor() {
    for command in [enable(10), disable(10), issue(10, 21), use_code(20, 1)] {
        given_nothing::<User>()
            .when(command)
            .then_expect_error(UserError::NotRegistered);
    }
}
