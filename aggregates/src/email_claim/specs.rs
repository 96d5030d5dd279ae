//! The rules of claims on addresses, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id};

fn claim(user: u8) -> EmailClaimCommand {
    EmailClaimCommand::Claim {
        user_id: id(user),
        at: at(0),
    }
}

fn confirm(user: u8) -> EmailClaimCommand {
    EmailClaimCommand::Confirm {
        user_id: id(user),
        at: at(1),
    }
}

fn release(user: u8, reason: ReleaseReason) -> EmailClaimCommand {
    EmailClaimCommand::Release {
        user_id: id(user),
        reason,
        at: at(2),
    }
}

fn claimed(user: u8) -> EmailClaimEvent {
    EmailClaimEvent::EmailClaimed {
        user_id: id(user),
        at: at(0),
    }
}

fn confirmed(user: u8) -> EmailClaimEvent {
    EmailClaimEvent::EmailClaimConfirmed {
        user_id: id(user),
        at: at(1),
    }
}

fn released(user: u8, reason: ReleaseReason) -> EmailClaimEvent {
    EmailClaimEvent::EmailClaimReleased {
        user_id: id(user),
        reason,
        at: at(2),
    }
}

#[test]
fn a_free_address_is_claimed() {
    given_nothing::<EmailClaim>()
        .when(claim(1))
        .then_expect_events(vec![claimed(1)]);
}

#[test]
fn an_address_that_is_claimed_or_confirmed_is_taken() {
    given::<EmailClaim>([claimed(1)])
        .when(claim(2))
        .then_expect_error(EmailClaimError::EmailTaken);
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(claim(2))
        .then_expect_error(EmailClaimError::EmailTaken);
}

#[test]
fn claiming_ones_own_address_again_changes_nothing() {
    given::<EmailClaim>([claimed(1)])
        .when(claim(1))
        .then_expect_events(vec![]);
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(claim(1))
        .then_expect_events(vec![]);
}

#[test]
fn a_claim_is_confirmed_once_the_account_exists() {
    given::<EmailClaim>([claimed(1)])
        .when(confirm(1))
        .then_expect_events(vec![confirmed(1)]);
}

#[test]
fn confirming_twice_changes_nothing() {
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(confirm(1))
        .then_expect_events(vec![]);
}

#[test]
fn only_the_holder_confirms() {
    given::<EmailClaim>([claimed(1)])
        .when(confirm(2))
        .then_expect_error(EmailClaimError::HeldByAnother);
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(confirm(2))
        .then_expect_error(EmailClaimError::HeldByAnother);
}

#[test]
fn a_free_address_cannot_be_confirmed() {
    let released = released(1, ReleaseReason::RegistrationAbandoned);
    given_nothing::<EmailClaim>()
        .when(confirm(1))
        .then_expect_error(EmailClaimError::NotClaimed);
    given::<EmailClaim>([claimed(1), released])
        .when(confirm(1))
        .then_expect_error(EmailClaimError::NotClaimed);
}

#[test]
fn a_claim_is_released_when_its_registration_was_abandoned() {
    let reason = ReleaseReason::RegistrationAbandoned;
    given::<EmailClaim>([claimed(1)])
        .when(release(1, reason))
        .then_expect_events(vec![released(1, reason)]);
}

#[test]
fn a_claim_of_a_registration_under_way_ends_for_no_other_reason() {
    for reason in [ReleaseReason::AccountErased, ReleaseReason::EmailChanged] {
        given::<EmailClaim>([claimed(1)])
            .when(release(1, reason))
            .then_expect_error(EmailClaimError::ReasonDoesNotFit);
    }
}

#[test]
fn a_confirmed_address_is_released_when_the_account_is_erased_or_moves() {
    for reason in [ReleaseReason::AccountErased, ReleaseReason::EmailChanged] {
        given::<EmailClaim>([claimed(1), confirmed(1)])
            .when(release(1, reason))
            .then_expect_events(vec![released(1, reason)]);
    }
}

#[test]
fn abandoning_a_registration_never_takes_a_registered_accounts_address() {
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(release(1, ReleaseReason::RegistrationAbandoned))
        .then_expect_error(EmailClaimError::ReasonDoesNotFit);
}

#[test]
fn a_claim_for_a_change_ends_when_the_change_does() {
    let reason = ReleaseReason::EmailChangeCancelled;
    given::<EmailClaim>([claimed(1)])
        .when(release(1, reason))
        .then_expect_events(vec![released(1, reason)]);
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(release(1, reason))
        .then_expect_error(EmailClaimError::ReasonDoesNotFit);
}

#[test]
fn a_release_that_comes_late_leaves_a_later_claim_alone() {
    let release = |claimed_at: i64, reason| EmailClaimCommand::ReleaseMadeAt {
        user_id: id(1),
        claimed_at: at(claimed_at),
        reason,
        at: at(2),
    };
    let (changed, cancelled) = (
        ReleaseReason::EmailChanged,
        ReleaseReason::EmailChangeCancelled,
    );
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(release(0, changed))
        .then_expect_events(vec![released(1, changed)]);
    given::<EmailClaim>([claimed(1)])
        .when(release(0, cancelled))
        .then_expect_events(vec![released(1, cancelled)]);
    given::<EmailClaim>([claimed(1)])
        .when(release(-1, cancelled))
        .then_expect_error(EmailClaimError::ClaimedAnew);
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(release(-1, changed))
        .then_expect_error(EmailClaimError::ClaimedAnew);
    given_nothing::<EmailClaim>()
        .when(release(0, changed))
        .then_expect_events(vec![]);
}

#[test]
fn only_the_holders_claim_is_released() {
    given::<EmailClaim>([claimed(1)])
        .when(release(2, ReleaseReason::RegistrationAbandoned))
        .then_expect_error(EmailClaimError::HeldByAnother);
    given::<EmailClaim>([claimed(1), confirmed(1)])
        .when(release(2, ReleaseReason::AccountErased))
        .then_expect_error(EmailClaimError::HeldByAnother);
}

#[test]
fn releasing_a_free_address_changes_nothing() {
    for reason in ReleaseReason::ALL {
        given_nothing::<EmailClaim>()
            .when(release(1, *reason))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_released_address_can_be_claimed_by_somebody_else() {
    let released = released(1, ReleaseReason::AccountErased);
    given::<EmailClaim>([claimed(1), confirmed(1), released])
        .when(claim(2))
        .then_expect_events(vec![claimed(2)]);
}

#[test]
fn the_holder_is_known_from_claim_to_release() {
    let mut claim = EmailClaim::default();
    let mut holders = vec![claim.holder()];
    for event in [
        claimed(1),
        confirmed(1),
        released(1, ReleaseReason::EmailChanged),
    ] {
        claim.apply(event);
        holders.push(claim.holder());
    }
    assert_eq!(holders, [None, Some(id(1)), Some(id(1)), None]);
}
