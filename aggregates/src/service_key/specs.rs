//! The rules of service keys, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id, token};
use crate::values::ServiceKeyName;

fn create(scopes: &[ServiceKeyScope], end: Option<i64>) -> ServiceKeyCommand {
    ServiceKeyCommand::Create {
        service_key_id: id(6),
        name: ServiceKeyName::parse("gateway").unwrap(),
        scopes: scopes.to_vec(),
        key_hash: token(6),
        expires_at: end.map(at),
        created_by: id(1),
        at: at(5),
    }
}

fn created(scopes: &[ServiceKeyScope], end: Option<i64>) -> ServiceKeyEvent {
    ServiceKeyEvent::ServiceKeyCreated {
        service_key_id: id(6),
        name: "gateway".to_owned(),
        scopes: scopes.to_vec(),
        key_hash: token(6),
        expires_at: end.map(at),
        created_by: id(1),
        at: at(5),
    }
}

fn revoke() -> ServiceKeyCommand {
    ServiceKeyCommand::Revoke {
        by: id(1),
        at: at(9),
    }
}

fn revoked() -> ServiceKeyEvent {
    ServiceKeyEvent::ServiceKeyRevoked {
        by: id(1),
        at: at(9),
    }
}

const BOTH: [ServiceKeyScope; 2] = [ServiceKeyScope::Audit, ServiceKeyScope::Introspect];

#[test]
fn a_service_key_is_made_with_each_scope_once() {
    let twice = [BOTH[1], BOTH[0], BOTH[1]];
    given_nothing::<ServiceKey>()
        .when(create(&twice, None))
        .then_expect_events(vec![created(&BOTH, None)]);
}

#[test]
fn a_service_key_is_made_once() {
    for history in [
        vec![created(&BOTH, None)],
        vec![created(&BOTH, None), revoked()],
    ] {
        given::<ServiceKey>(history)
            .when(create(&BOTH, None))
            .then_expect_error(ServiceKeyError::AlreadyCreated);
    }
}

#[test]
fn a_service_key_may_do_something() {
    given_nothing::<ServiceKey>()
        .when(create(&[], None))
        .then_expect_error(ServiceKeyError::NoScope);
}

#[test]
fn the_end_of_a_service_key_is_in_the_future() {
    given_nothing::<ServiceKey>()
        .when(create(&BOTH, Some(5)))
        .then_expect_error(ServiceKeyError::ExpiresInThePast);
    given_nothing::<ServiceKey>()
        .when(create(&BOTH, Some(6)))
        .then_expect_events(vec![created(&BOTH, Some(6))]);
}

#[test]
fn a_service_key_is_revoked_once() {
    given::<ServiceKey>([created(&BOTH, None)])
        .when(revoke())
        .then_expect_events(vec![revoked()]);
    given::<ServiceKey>([created(&BOTH, None), revoked()])
        .when(revoke())
        .then_expect_events(vec![]);
}

#[test]
fn what_is_not_there_cannot_be_revoked() {
    given_nothing::<ServiceKey>()
        .when(revoke())
        .then_expect_error(ServiceKeyError::NotCreated);
}
