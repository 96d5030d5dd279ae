//! The rules of a session whose person proves once more who they are.

use super::*;

fn reauthenticate(number: u8, seconds: i64) -> SessionCommand {
    SessionCommand::Reauthenticate {
        auth_method: AuthMethod::Password,
        tokens: pair(number, seconds),
        most_an_hour: 1000,
        at: at(seconds),
    }
}

#[test]
fn whoever_proves_once_more_who_they_are_gets_new_tokens() {
    let proved = SessionEvent::SessionReauthenticated {
        auth_method: AuthMethod::Password,
        at: at(5),
    };
    given::<Session>(live())
        .when(reauthenticate(1, 5))
        .then_expect_events(vec![proved, issued(1, 5)]);
}

/// A session that was refreshed in second 1 and reauthenticated in second 2.
fn reauthenticated() -> Vec<SessionEvent> {
    let proved = SessionEvent::SessionReauthenticated {
        auth_method: AuthMethod::Password,
        at: at(2),
    };
    after(after(refreshed(1), proved), issued(2, 2))
}

#[test]
fn what_was_used_up_by_a_proof_or_before_it_gets_nothing_within_the_leeway() {
    for presented in [0, 1] {
        for command in [issue(presented, 3, 3), issue_spent(presented, 3, 3)] {
            given::<Session>(reauthenticated())
                .when(command)
                .then_expect_error(SessionError::InvalidRefreshToken);
        }
    }
}

#[test]
fn what_a_proof_used_up_is_a_reuse_once_the_moment_is_over() {
    for (presented, seconds) in [(0, 4), (1, 5)] {
        given::<Session>(reauthenticated())
            .when(issue(presented, 3, seconds))
            .then_expect_events(end_because_reused(token(presented + 100), at(seconds)));
    }
}

#[test]
fn an_answer_that_is_lost_after_a_proof_is_forgiven() {
    let repeated = SessionEvent::TokensIssued {
        tokens: pair(4, 4),
        replaced_refresh: Some(token(103)),
        repeated_refresh: Some(token(102)),
        at: at(4),
    };
    given::<Session>(after(reauthenticated(), issued(3, 3)))
        .when(issue(2, 4, 4))
        .then_expect_events(vec![repeated]);
}

/// The node that refreshed in second 6 was ahead of the one that took the proof in second 5.
#[test]
fn what_was_used_up_before_a_proof_is_older_than_it_whatever_the_clocks_say() {
    let proved = SessionEvent::SessionReauthenticated {
        auth_method: AuthMethod::Password,
        at: at(5),
    };
    let history = after(after(after(live(), issued(1, 6)), proved), issued(2, 5));
    given::<Session>(history)
        .when(issue(0, 3, 7))
        .then_expect_error(SessionError::InvalidRefreshToken);
}

/// Servers of before granted the leeway after a proof too; what they wrote stands.
#[test]
fn a_refresh_that_was_repeated_after_a_proof_stays_as_it_was() {
    let repeated = SessionEvent::TokensIssued {
        tokens: pair(3, 3),
        replaced_refresh: Some(token(102)),
        repeated_refresh: Some(token(101)),
        at: at(3),
    };
    given::<Session>(after(reauthenticated(), repeated))
        .when(issue(3, 4, 4))
        .then_expect_events(vec![issued(4, 4)]);
}

#[test]
fn a_state_that_was_kept_before_proofs_were_remembered_is_read() {
    let mut session = Session::default();
    for event in refreshed(1) {
        session.apply(event);
    }
    let mut kept = serde_json::to_value(&session).unwrap();
    let live = kept["Live"].as_object_mut().unwrap();
    assert!(live.remove("reauthenticated_at").is_some());
    assert_eq!(serde_json::from_value::<Session>(kept).unwrap(), session);
}

#[test]
fn a_session_that_is_over_is_not_reauthenticated() {
    given::<Session>(live())
        .when(reauthenticate(1, END))
        .then_expect_error(SessionError::SessionExpired);
    given::<Session>(after(live(), revoked(RevokeReason::SignedOut)))
        .when(reauthenticate(1, 8))
        .then_expect_error(SessionError::SessionEnded);
}

/// A session that was refreshed in each of the seconds 1 to 3, and a command for second `seconds` when it may be 3 times.
fn refreshed_thrice(command: SessionCommand) -> (Vec<SessionEvent>, SessionCommand) {
    let history = (1..4).fold(live(), |history, n| after(history, issued(n, n.into())));
    let command = match command {
        SessionCommand::IssueToken {
            presented_refresh,
            is_spent,
            tokens,
            leeway,
            at,
            ..
        } => SessionCommand::IssueToken {
            presented_refresh,
            is_spent,
            tokens,
            leeway,
            most_an_hour: 3,
            at,
        },
        SessionCommand::Reauthenticate {
            auth_method,
            tokens,
            at,
            ..
        } => SessionCommand::Reauthenticate {
            auth_method,
            tokens,
            most_an_hour: 3,
            at,
        },
        other => other,
    };
    (history, command)
}

#[test]
fn a_session_gets_tokens_only_so_often_in_an_hour() {
    for command in [issue(3, 4, 4), issue(2, 4, 4), reauthenticate(4, 4)] {
        let (history, command) = refreshed_thrice(command);
        given::<Session>(history)
            .when(command)
            .then_expect_error(SessionError::TooManyTokens {
                retry_after_seconds: 3598,
            });
    }
}

#[test]
fn a_reuse_ends_a_session_that_gets_no_more_tokens_all_the_same() {
    let (history, command) = refreshed_thrice(issue(0, 4, 8));
    given::<Session>(history)
        .when(command)
        .then_expect_events(end_because_reused(token(100), at(8)));
}
