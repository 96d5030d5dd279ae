//! The rules of rights, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id, sealed};
use crate::values::Role;

fn registered(roles: Vec<Role>) -> UserEvent {
    UserEvent::UserRegistered {
        user_id: id(1),
        email: sealed("ann@example.com"),
        email_claim_id: id(9),
        name: None,
        roles,
        at: at(0),
    }
}

fn change(roles: &[Role], rights_revision: u64) -> UserCommand {
    UserCommand::ChangeRoles {
        roles: roles.to_vec(),
        rights_revision,
        at: at(5),
    }
}

fn changed(roles: &[Role]) -> UserEvent {
    UserEvent::UserRolesChanged {
        roles: roles.to_vec(),
        at: at(5),
    }
}

fn disable(rights_revision: u64) -> UserCommand {
    UserCommand::Disable {
        reason: DisableReason::Compromised,
        rights_revision,
        at: at(6),
    }
}

fn disabled() -> UserEvent {
    UserEvent::UserDisabled {
        reason: DisableReason::Compromised,
        at: at(6),
    }
}

#[test]
fn an_account_is_given_other_roles() {
    given::<User>([registered(vec![])])
        .when(change(&[Role::Auditor, Role::Admin, Role::Auditor], 0))
        .then_expect_events(vec![changed(&[Role::Admin, Role::Auditor])]);
    given::<User>([registered(vec![Role::Admin])])
        .when(change(&[], 0))
        .then_expect_events(vec![changed(&[])]);
}

#[test]
fn the_same_roles_change_nothing_whatever_was_decided_on() {
    given::<User>([registered(vec![]), changed(&[Role::Admin])])
        .when(change(&[Role::Admin], 0))
        .then_expect_events(vec![]);
}

#[test]
fn roles_that_were_changed_meanwhile_are_not_changed() {
    given::<User>([registered(vec![]), changed(&[Role::Admin])])
        .when(change(&[Role::Auditor], 0))
        .then_expect_error(UserError::RightsChanged);
    given::<User>([registered(vec![]), changed(&[Role::Admin])])
        .when(change(&[Role::Auditor], 1))
        .then_expect_events(vec![changed(&[Role::Auditor])]);
}

#[test]
fn an_account_whose_roles_were_changed_meanwhile_is_not_disabled() {
    given::<User>([registered(vec![]), changed(&[Role::Admin])])
        .when(disable(0))
        .then_expect_error(UserError::RightsChanged);
    given::<User>([registered(vec![]), changed(&[Role::Admin])])
        .when(disable(1))
        .then_expect_events(vec![disabled()]);
}

#[test]
fn a_disabled_account_is_given_other_roles_too() {
    given::<User>([registered(vec![Role::Admin]), disabled()])
        .when(change(&[], 1))
        .then_expect_events(vec![changed(&[])]);
    let enabled = UserEvent::UserEnabled { at: at(7) };
    given::<User>([registered(vec![]), disabled(), enabled])
        .when(change(&[Role::Admin], 2))
        .then_expect_events(vec![changed(&[Role::Admin])]);
}

#[test]
fn nobody_has_roles() {
    given_nothing::<User>()
        .when(change(&[Role::Admin], 0))
        .then_expect_error(UserError::NotRegistered);
}
