//! The rules of forgetting, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id};

fn ended(session: u8, seconds: i64) -> EndedSession {
    EndedSession {
        session_id: id(session),
        ended_at: at(seconds),
    }
}

fn forget(sessions: Vec<EndedSession>) -> ForgottenSessionsCommand {
    ForgottenSessionsCommand::Forget {
        sessions,
        ended_before: at(10),
        at: at(100),
    }
}

fn forgotten(sessions: &[u8]) -> ForgottenSessionsEvent {
    ForgottenSessionsEvent::EndedSessionsForgotten {
        sessions: sessions.iter().map(|number| id(*number)).collect(),
        ended_before: at(10),
        at: at(100),
    }
}

#[test]
fn sessions_that_ended_long_ago_are_forgotten_together() {
    given_nothing::<ForgottenSessions>()
        .when(forget(vec![ended(1, 0), ended(2, 9)]))
        .then_expect_events(vec![forgotten(&[1, 2])]);
}

#[test]
fn none_is_forgotten_with_one_that_ended_too_late() {
    given_nothing::<ForgottenSessions>()
        .when(forget(vec![ended(1, 0), ended(2, 10)]))
        .then_expect_error(ForgottenSessionsError::EndedTooLate);
}

#[test]
fn no_more_are_forgotten_at_once_than_an_append_may_take() {
    let many = |count| forget(vec![ended(1, 0); count]);
    given_nothing::<ForgottenSessions>()
        .when(many(SESSIONS_MAX))
        .then_expect_events(vec![forgotten(&[1; SESSIONS_MAX])]);
    given_nothing::<ForgottenSessions>()
        .when(many(SESSIONS_MAX + 1))
        .then_expect_error(ForgottenSessionsError::TooMany);
}

#[test]
fn forgetting_nothing_and_forgetting_twice_change_nothing() {
    given_nothing::<ForgottenSessions>()
        .when(forget(Vec::new()))
        .then_expect_events(vec![]);
    given::<ForgottenSessions>([forgotten(&[1, 2])])
        .when(forget(vec![ended(1, 0), ended(2, 9)]))
        .then_expect_events(vec![]);
}

#[test]
fn sessions_with_another_first_one_have_another_stream() {
    assert_eq!(stream_id(id(1)), stream_id(id(1)));
    assert_ne!(stream_id(id(1)), stream_id(id(2)));
    assert_ne!(stream_id(id(1)), id::<SessionId>(1).0);
}
