//! The rules of an account's address, one sentence each.

use super::*;
use crate::testing::{at, given, id, sealed};
use crate::user::DisableReason;
use crate::values::{EmailClaimId, PasswordId};

const OWN: u8 = 9;
const NEW: u8 = 12;

fn registered() -> UserEvent {
    UserEvent::UserRegistered {
        user_id: id(1),
        email: sealed("email"),
        email_claim_id: id(OWN),
        name: None,
        roles: Vec::new(),
        at: at(0),
    }
}

fn verify(claim: u8) -> UserCommand {
    UserCommand::Email(EmailCommand::Verify {
        email_claim_id: id(claim),
        at: at(1),
    })
}

fn verified(claim: u8) -> UserEvent {
    UserEvent::EmailVerified {
        email_claim_id: id(claim),
        at: at(1),
    }
}

fn request(claim: u8, seconds: i64) -> UserCommand {
    UserCommand::Email(EmailCommand::RequestChange {
        email: sealed("new"),
        email_claim_id: id(claim),
        at: at(seconds),
    })
}

fn requested(claim: u8, seconds: i64) -> UserEvent {
    UserEvent::EmailChangeRequested {
        email: sealed("new"),
        email_claim_id: id(claim),
        at: at(seconds),
    }
}

fn cancelled(claim: u8, requested: i64, seconds: i64) -> UserEvent {
    UserEvent::EmailChangeCancelled {
        email_claim_id: id(claim),
        requested_at: at(requested),
        at: at(seconds),
    }
}

fn cancel() -> UserCommand {
    UserCommand::Email(EmailCommand::CancelChange { at: at(4) })
}

fn complete(claim: u8, requested: i64) -> UserCommand {
    UserCommand::Email(EmailCommand::CompleteChange {
        email: sealed("changed"),
        email_claim_id: id(claim),
        requested_at: at(requested),
        at: at(5),
    })
}

fn changed(claim: u8, claimed: i64, replaced: u8) -> UserEvent {
    UserEvent::EmailChanged {
        email: sealed("changed"),
        email_claim_id: id(claim),
        claimed_at: at(claimed),
        replaced: id(replaced),
        replaced_claimed_at: at(0),
        at: at(5),
    }
}

fn disabled() -> UserEvent {
    UserEvent::UserDisabled {
        reason: DisableReason::Abuse,
        at: at(3),
    }
}

#[test]
fn an_address_is_verified_once() {
    given::<User>([registered()])
        .when(verify(OWN))
        .then_expect_events(vec![verified(OWN)]);
    given::<User>([registered(), verified(OWN)])
        .when(verify(OWN))
        .then_expect_error(UserError::EmailAlreadyVerified);
}

#[test]
fn only_the_address_that_the_account_has_is_verified() {
    given::<User>([registered()])
        .when(verify(NEW))
        .then_expect_error(UserError::EmailNotCurrent);
}

#[test]
fn an_account_may_be_opened_with_a_verified_address() {
    let command = UserCommand::Register {
        user_id: id(1),
        email: sealed("email"),
        email_claim_id: id(OWN),
        name: None,
        roles: Vec::new(),
        is_email_verified: true,
        at: at(0),
    };
    let verified = UserEvent::EmailVerified {
        email_claim_id: id(OWN),
        at: at(0),
    };
    crate::testing::given_nothing::<User>()
        .when(command)
        .then_expect_events(vec![registered(), verified]);
}

#[test]
fn one_change_of_the_address_waits_at_a_time() {
    given::<User>([registered()])
        .when(request(NEW, 2))
        .then_expect_events(vec![requested(NEW, 2)]);
    for claim in [13, NEW] {
        given::<User>([registered(), requested(NEW, 2)])
            .when(request(claim, 3))
            .then_expect_error(UserError::EmailChangePending);
        given::<User>([registered(), requested(NEW, 2), cancelled(NEW, 2, 4)])
            .when(request(claim, 5))
            .then_expect_events(vec![requested(claim, 5)]);
    }
}

#[test]
fn the_address_that_the_account_has_is_no_change() {
    given::<User>([registered()])
        .when(request(OWN, 2))
        .then_expect_error(UserError::EmailUnchanged);
}

#[test]
fn a_change_is_taken_back_and_again_nothing() {
    given::<User>([registered(), requested(NEW, 2)])
        .when(cancel())
        .then_expect_events(vec![cancelled(NEW, 2, 4)]);
    given::<User>([registered(), requested(NEW, 2), cancelled(NEW, 2, 4)])
        .when(cancel())
        .then_expect_events(vec![]);
}

#[test]
fn a_change_is_completed_once_by_the_request_that_waits() {
    given::<User>([registered(), requested(NEW, 2)])
        .when(complete(NEW, 2))
        .then_expect_events(vec![changed(NEW, 2, OWN)]);
    for (history, command) in [
        (vec![registered()], complete(NEW, 2)),
        (vec![registered(), requested(NEW, 2)], complete(NEW, 1)),
        (vec![registered(), requested(NEW, 2)], complete(13, 2)),
        (
            vec![registered(), requested(NEW, 2), cancelled(NEW, 2, 4)],
            complete(NEW, 2),
        ),
        (
            vec![registered(), requested(NEW, 2), changed(NEW, 2, OWN)],
            complete(NEW, 2),
        ),
    ] {
        given::<User>(history)
            .when(command)
            .then_expect_error(UserError::EmailChangeNotPending);
    }
}

#[test]
fn a_changed_address_is_verified_and_the_former_one_can_come_back() {
    let history = [registered(), requested(NEW, 2), changed(NEW, 2, OWN)];
    given::<User>(history.clone())
        .when(verify(NEW))
        .then_expect_error(UserError::EmailAlreadyVerified);
    given::<User>(history)
        .when(request(OWN, 6))
        .then_expect_events(vec![requested(OWN, 6)]);
}

#[test]
fn a_forgotten_password_is_replaced_once() {
    let reset = |replaces: PasswordId| UserCommand::ResetPassword {
        password_id: id(7),
        replaces,
        at: at(2),
    };
    let done = UserEvent::PasswordReset {
        password_id: id(7),
        replaced: id(1),
        at: at(2),
    };
    given::<User>([registered(), verified(OWN)])
        .when(reset(id(1)))
        .then_expect_events(vec![done.clone()]);
    given::<User>([registered(), done])
        .when(reset(id(1)))
        .then_expect_error(UserError::PasswordReplaced);
    given::<User>([registered(), disabled()])
        .when(reset(id(1)))
        .then_expect_error(UserError::UserDisabled);
}

/// The link of the reset went to it.
#[test]
fn a_reset_by_mail_verifies_the_address() {
    let (password_id, replaced, at) = (id(7), id(1), at(4));
    let reset = UserCommand::ResetPassword {
        password_id,
        replaces: replaced,
        at,
    };
    let was_reset = UserEvent::PasswordReset {
        password_id,
        replaced,
        at,
    };
    let email_claim_id = id(OWN);
    let verified = UserEvent::EmailVerified { email_claim_id, at };
    given::<User>([registered()])
        .when(reset)
        .then_expect_events(vec![was_reset, verified]);
}

#[test]
fn a_change_that_waits_ends_with_the_password_that_it_was_asked_for_with() {
    let (password_id, replaced, at) = (id(7), id(1), at(4));
    let reset = UserCommand::ResetPassword {
        password_id,
        replaces: replaced,
        at,
    };
    let change = UserCommand::ChangePassword {
        password_id,
        replaces: replaced,
        from_session: id(2),
        end_other_sessions: false,
        at,
    };
    let was_reset = UserEvent::PasswordReset {
        password_id,
        replaced,
        at,
    };
    let was_changed = UserEvent::PasswordChanged {
        password_id,
        replaced,
        from_session: id(2),
        end_other_sessions: false,
        at,
    };
    for (command, event) in [(reset, was_reset), (change, was_changed)] {
        given::<User>([registered(), verified(OWN), requested(NEW, 2)])
            .when(command)
            .then_expect_events(vec![event, cancelled(NEW, 2, 4)]);
    }
}

#[test]
fn a_disabled_account_keeps_its_address_and_no_other() {
    given::<User>([registered(), requested(NEW, 2), disabled()])
        .when(cancel())
        .then_expect_events(vec![cancelled(NEW, 2, 4)]);
    for command in [verify(OWN), request(NEW, 2), complete(NEW, 2)] {
        given::<User>([registered(), requested(NEW, 2), disabled()])
            .when(command)
            .then_expect_error(UserError::UserDisabled);
    }
}

#[test]
fn the_claims_of_an_account_are_known() {
    let mut user = User::default();
    for event in [registered(), requested(NEW, 2)] {
        user.apply(event);
    }
    let User::Active(account) = &user else {
        panic!("not active")
    };
    let claim: EmailClaimId = id(NEW);
    assert_eq!(
        account.pending_email.map(|pending| pending.email_claim_id),
        Some(claim)
    );
    assert!(!account.is_email_verified);
}
