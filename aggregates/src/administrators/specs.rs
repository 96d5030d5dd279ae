//! The rules of administrators, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id};
use crate::user::DisableReason;

fn add(user: u8, rights_revision: u64) -> AdministratorsCommand {
    AdministratorsCommand::Add {
        user_id: id(user),
        rights_revision,
        at: at(5),
    }
}

fn added(user: u8, rights_revision: u64) -> AdministratorsEvent {
    AdministratorsEvent::AdministratorAdded {
        user_id: id(user),
        rights_revision,
        at: at(5),
    }
}

fn remove(user: u8, rights_revision: u64) -> AdministratorsCommand {
    AdministratorsCommand::Remove {
        user_id: id(user),
        rights_revision,
        disable_reason: None,
        at: at(6),
    }
}

fn removed(user: u8, rights_revision: u64) -> AdministratorsEvent {
    AdministratorsEvent::AdministratorRemoved {
        user_id: id(user),
        rights_revision,
        disable_reason: None,
        at: at(6),
    }
}

#[test]
fn an_administrator_is_added_once() {
    given_nothing::<Administrators>()
        .when(add(1, 0))
        .then_expect_events(vec![added(1, 0)]);
    given::<Administrators>([added(1, 0)])
        .when(add(1, 3))
        .then_expect_events(vec![]);
}

#[test]
fn one_of_two_administrators_is_removed() {
    given::<Administrators>([added(1, 0), added(2, 0)])
        .when(remove(1, 0))
        .then_expect_events(vec![removed(1, 0)]);
}

#[test]
fn a_removal_tells_that_the_account_is_to_be_disabled() {
    let disable_reason = Some(DisableReason::Compromised);
    given::<Administrators>([added(1, 0), added(2, 0)])
        .when(AdministratorsCommand::Remove {
            user_id: id(1),
            rights_revision: 0,
            disable_reason,
            at: at(6),
        })
        .then_expect_events(vec![AdministratorsEvent::AdministratorRemoved {
            user_id: id(1),
            rights_revision: 0,
            disable_reason,
            at: at(6),
        }]);
}

#[test]
fn the_last_administrator_stays() {
    given::<Administrators>([added(1, 0)])
        .when(remove(1, 0))
        .then_expect_error(AdministratorsError::LastAdministrator);
    given::<Administrators>([added(1, 0), added(2, 0), removed(1, 0)])
        .when(remove(2, 0))
        .then_expect_error(AdministratorsError::LastAdministrator);
}

#[test]
fn one_who_is_not_seated_yet_does_not_leave_nobody() {
    given_nothing::<Administrators>()
        .when(remove(1, 0))
        .then_expect_error(AdministratorsError::LastAdministrator);
    given::<Administrators>([added(1, 0)])
        .when(remove(2, 0))
        .then_expect_events(vec![removed(2, 0)]);
}

#[test]
fn removing_twice_changes_nothing() {
    given::<Administrators>([added(1, 0), added(2, 0), removed(1, 0)])
        .when(remove(1, 0))
        .then_expect_events(vec![]);
}

#[test]
fn one_who_was_removed_is_added_only_with_rights_that_came_later() {
    let removed_at_3 = || [added(1, 0), added(2, 0), removed(1, 3)];
    for stale in [0, 3] {
        given::<Administrators>(removed_at_3())
            .when(add(1, stale))
            .then_expect_error(AdministratorsError::RightsChanged);
    }
    given::<Administrators>(removed_at_3())
        .when(add(1, 4))
        .then_expect_events(vec![added(1, 4)]);
}

#[test]
fn one_who_came_back_is_removed_again() {
    given::<Administrators>([added(1, 0), added(2, 0), removed(1, 0), added(1, 2)])
        .when(remove(1, 2))
        .then_expect_events(vec![removed(1, 2)]);
}
