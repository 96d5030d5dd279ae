//! The rules of sessions, one sentence each. A session lives from second 0 to second 1,000; each
//! access token for 10 seconds, each refresh token for 100.

mod proofs;

use super::*;
use crate::testing::{at, given, given_nothing, id, sealed, token};
use crate::values::AuthMethod;

const END: i64 = 1_000;

/// The `number`-th pair, issued at `seconds`.
fn pair(number: u8, seconds: i64) -> TokenPair {
    TokenPair {
        access_token: token(number),
        access_expires_at: at(seconds + 10),
        refresh_token: token(number + 100),
        refresh_expires_at: at(seconds + 100),
    }
}

fn start() -> StartSession {
    StartSession {
        session_id: id(2),
        user_id: id(1),
        device_name: Some(sealed("laptop")),
        user_agent: Some(sealed("Mozilla/5.0")),
        ip: Some(sealed("192.0.2.1")),
        auth_methods: vec![AuthMethod::Password, AuthMethod::Totp],
        auth_time: at(0),
        expires_at: at(END),
        tokens: pair(0, 0),
        at: at(0),
    }
}

fn started() -> SessionEvent {
    SessionEvent::SessionStarted {
        session_id: id(2),
        user_id: id(1),
        device_name: Some(sealed("laptop")),
        user_agent: Some(sealed("Mozilla/5.0")),
        ip: Some(sealed("192.0.2.1")),
        auth_methods: vec![AuthMethod::Password, AuthMethod::Totp],
        auth_time: at(0),
        expires_at: at(END),
        at: at(0),
    }
}

fn first_issued() -> SessionEvent {
    SessionEvent::TokensIssued {
        tokens: pair(0, 0),
        replaced_refresh: None,
        repeated_refresh: None,
        at: at(0),
    }
}

/// The `number`-th pair took the place of the one before it.
fn issued(number: u8, seconds: i64) -> SessionEvent {
    SessionEvent::TokensIssued {
        tokens: pair(number, seconds),
        replaced_refresh: Some(token(number + 99)),
        repeated_refresh: None,
        at: at(seconds),
    }
}

fn issue(presented: u8, number: u8, seconds: i64) -> SessionCommand {
    SessionCommand::IssueToken {
        presented_refresh: token(presented + 100),
        is_spent: false,
        tokens: pair(number, seconds),
        leeway: TimeDelta::seconds(3),
        most_an_hour: 1000,
        at: at(seconds),
    }
}

fn revoke(reason: RevokeReason) -> SessionCommand {
    SessionCommand::Revoke {
        reason,
        by: Some(id(1)),
        at: at(7),
    }
}

fn revoked(reason: RevokeReason) -> SessionEvent {
    SessionEvent::SessionRevoked {
        reason,
        by: Some(id(1)),
        at: at(7),
    }
}

fn expired() -> SessionEvent {
    SessionEvent::SessionExpired {
        reason: ExpireReason::AbsoluteEnd,
        at: at(END),
    }
}

fn live() -> Vec<SessionEvent> {
    vec![started(), first_issued()]
}

/// A session after as many refreshes, one each second.
fn refreshed(times: u8) -> Vec<SessionEvent> {
    let refreshes = (1..=times).map(|number| issued(number, i64::from(number)));
    live().into_iter().chain(refreshes).collect()
}

fn after(mut history: Vec<SessionEvent>, event: SessionEvent) -> Vec<SessionEvent> {
    history.push(event);
    history
}

#[test]
fn a_sign_in_opens_the_session_and_issues_its_first_tokens() {
    given_nothing::<Session>()
        .when(start().into())
        .then_expect_events(live());
}

#[test]
fn a_session_is_started_once() {
    for history in [live(), after(live(), expired())] {
        given::<Session>(history)
            .when(start().into())
            .then_expect_error(SessionError::AlreadyStarted);
    }
}

#[test]
fn a_session_opens_only_for_somebody_who_proved_who_they_are() {
    let unproven = StartSession {
        auth_methods: vec![],
        ..start()
    };
    given_nothing::<Session>()
        .when(unproven.into())
        .then_expect_error(SessionError::NotAuthenticated);
}

#[test]
fn the_current_refresh_token_gets_the_next_pair() {
    given::<Session>(live())
        .when(issue(0, 1, 5))
        .then_expect_events(vec![issued(1, 5)]);
    given::<Session>(refreshed(1))
        .when(issue(1, 2, 6))
        .then_expect_events(vec![issued(2, 6)]);
}

#[test]
fn no_token_outlives_the_session() {
    let capped = TokenPair {
        access_expires_at: at(END),
        refresh_expires_at: at(END),
        ..pair(2, 995)
    };
    given::<Session>(after(live(), issued(1, 950)))
        .when(issue(1, 2, 995))
        .then_expect_events(vec![SessionEvent::TokensIssued {
            tokens: capped,
            replaced_refresh: Some(token(101)),
            repeated_refresh: None,
            at: at(995),
        }]);
}

#[test]
fn not_even_the_first_tokens_outlive_a_short_session() {
    let short = StartSession {
        expires_at: at(5),
        ..start()
    };
    let events = Session::default().decide(short.into()).unwrap();
    let tokens = pair(0, 0).ending_by(at(5));
    assert_eq!(
        (tokens.access_expires_at, tokens.refresh_expires_at),
        (at(5), at(5))
    );
    let first = SessionEvent::TokensIssued {
        tokens,
        replaced_refresh: None,
        repeated_refresh: None,
        at: at(0),
    };
    assert_eq!(events.last(), Some(&first));
}

#[test]
fn a_spent_refresh_token_that_comes_again_ends_the_session() {
    let presented_refresh = token(100);
    given::<Session>(refreshed(3))
        .when(issue(0, 4, 8))
        .then_expect_events(vec![
            SessionEvent::RefreshTokenReused {
                presented_refresh,
                at: at(8),
            },
            SessionEvent::SessionRevoked {
                reason: RevokeReason::RefreshTokenReused,
                by: None,
                at: at(8),
            },
        ]);
}

#[test]
fn a_client_that_lost_the_answer_may_repeat_its_refresh_for_a_moment() {
    let repeated = |number, seconds| SessionEvent::TokensIssued {
        tokens: pair(number, seconds),
        replaced_refresh: Some(token(number + 99)),
        repeated_refresh: Some(token(100)),
        at: at(seconds),
    };
    // The token was spent in second 1, and the leeway is 3 seconds.
    given::<Session>(refreshed(1))
        .when(issue(0, 2, 3))
        .then_expect_events(vec![repeated(2, 3)]);
    given::<Session>(after(refreshed(1), repeated(2, 3)))
        .when(issue(0, 3, 3))
        .then_expect_events(vec![repeated(3, 3)]);
    let decided = |seconds| {
        let mut session = Session::default();
        for event in refreshed(1) {
            session.apply(event);
        }
        session.decide(issue(0, 2, seconds)).unwrap().len()
    };
    assert_eq!(
        (decided(3), decided(4)),
        (1, 2),
        "from the fourth second on it is a reuse"
    );
}

#[test]
fn what_a_repeated_refresh_replaced_is_a_reuse_once_the_moment_is_over() {
    let superseding = SessionEvent::TokensIssued {
        tokens: pair(2, 3),
        replaced_refresh: Some(token(101)),
        repeated_refresh: Some(token(100)),
        at: at(3),
    };
    given::<Session>(after(refreshed(1), superseding))
        .when(issue(1, 3, 6))
        .then_expect_events(vec![
            SessionEvent::RefreshTokenReused {
                presented_refresh: token(101),
                at: at(6),
            },
            SessionEvent::SessionRevoked {
                reason: RevokeReason::RefreshTokenReused,
                by: None,
                at: at(6),
            },
        ]);
}

/// As [`issue`], of a token that the read model knows as one that this session used up.
fn issue_spent(presented: u8, number: u8, seconds: i64) -> SessionCommand {
    match issue(presented, number, seconds) {
        SessionCommand::IssueToken {
            presented_refresh,
            tokens,
            leeway,
            most_an_hour,
            at,
            ..
        } => SessionCommand::IssueToken {
            presented_refresh,
            is_spent: true,
            tokens,
            leeway,
            most_an_hour,
            at,
        },
        other => other,
    }
}

#[test]
fn however_many_refreshes_followed_a_spent_token_that_comes_again_ends_the_session() {
    let decided = |command| {
        let mut session = Session::default();
        for event in refreshed(120) {
            session.apply(event);
        }
        session.decide(command)
    };
    for presented in [0, 1, 50, 69, 70, 119] {
        let events = decided(issue_spent(presented, 121, 200)).unwrap();
        assert_eq!(events, end_because_reused(token(presented + 100), at(200)));
    }
    // Whom the read model was asked for before the newest ones were spent.
    let events = decided(issue(70, 121, 200)).unwrap();
    assert_eq!(events, end_because_reused(token(170), at(200)));
    assert_eq!(
        decided(issue(130, 131, 200)),
        Err(SessionError::InvalidRefreshToken)
    );
}

#[test]
fn a_lost_answer_is_forgiven_though_the_read_model_knows_its_token_as_spent() {
    let repeated = SessionEvent::TokensIssued {
        tokens: pair(2, 3),
        replaced_refresh: Some(token(101)),
        repeated_refresh: Some(token(100)),
        at: at(3),
    };
    given::<Session>(refreshed(1))
        .when(issue_spent(0, 2, 3))
        .then_expect_events(vec![repeated]);
}

#[test]
fn a_refresh_token_of_nobody_gets_nothing() {
    given::<Session>(live())
        .when(issue(50, 1, 5))
        .then_expect_error(SessionError::InvalidRefreshToken);
}

#[test]
fn an_access_token_does_not_refresh() {
    let command = SessionCommand::IssueToken {
        presented_refresh: token(0),
        is_spent: false,
        tokens: pair(1, 5),
        leeway: TimeDelta::seconds(3),
        most_an_hour: 1000,
        at: at(5),
    };
    given::<Session>(live())
        .when(command)
        .then_expect_error(SessionError::InvalidRefreshToken);
}

#[test]
fn a_refresh_token_is_good_until_the_moment_it_expires() {
    given::<Session>(live())
        .when(issue(0, 1, 99))
        .then_expect_events(vec![issued(1, 99)]);
    given::<Session>(live())
        .when(issue(0, 1, 100))
        .then_expect_error(SessionError::RefreshTokenExpired);
}

#[test]
fn nothing_is_issued_from_the_absolute_end_on() {
    given::<Session>(live())
        .when(issue(0, 1, END))
        .then_expect_error(SessionError::SessionExpired);
    given::<Session>(refreshed(1))
        .when(issue(0, 2, END))
        .then_expect_error(SessionError::SessionExpired);
}

#[test]
fn an_ended_session_issues_nothing() {
    for end in [revoked(RevokeReason::SignedOut), expired()] {
        given::<Session>(after(live(), end))
            .when(issue(0, 1, 8))
            .then_expect_error(SessionError::SessionEnded);
    }
}

#[test]
fn a_session_is_revoked_for_any_reason() {
    for reason in RevokeReason::ALL {
        given::<Session>(live())
            .when(revoke(*reason))
            .then_expect_events(vec![revoked(*reason)]);
    }
}

#[test]
fn revoking_an_ended_session_changes_nothing() {
    for end in [revoked(RevokeReason::SignedOut), expired()] {
        given::<Session>(after(live(), end))
            .when(revoke(RevokeReason::UserDisabled))
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_session_expires_at_its_absolute_end_and_not_before() {
    let renewed = || after(live(), issued(1, 950));
    given::<Session>(renewed())
        .when(SessionCommand::Expire { at: at(END - 1) })
        .then_expect_error(SessionError::NotYetExpired);
    given::<Session>(renewed())
        .when(SessionCommand::Expire { at: at(END) })
        .then_expect_events(vec![expired()]);
}

#[test]
fn a_session_that_nobody_renews_expires_with_its_last_token() {
    let idle = SessionEvent::SessionExpired {
        reason: ExpireReason::Idle,
        at: at(100),
    };
    given::<Session>(live())
        .when(SessionCommand::Expire { at: at(99) })
        .then_expect_error(SessionError::NotYetExpired);
    given::<Session>(live())
        .when(SessionCommand::Expire { at: at(100) })
        .then_expect_events(vec![idle]);
}

#[test]
fn expiring_an_ended_session_changes_nothing() {
    for end in [revoked(RevokeReason::SignedOut), expired()] {
        given::<Session>(after(live(), end))
            .when(SessionCommand::Expire { at: at(0) })
            .then_expect_events(vec![]);
    }
}

#[test]
fn nothing_can_be_asked_of_a_session_that_was_not_started() {
    let commands = [
        issue(0, 1, 5),
        revoke(RevokeReason::SignedOut),
        SessionCommand::Expire { at: at(END) },
    ];
    for command in commands {
        given_nothing::<Session>()
            .when(command)
            .then_expect_error(SessionError::NotStarted);
    }
}

#[test]
fn only_an_ended_session_is_forgotten_and_once() {
    let forget = || SessionCommand::Forget { at: at(20) };
    let forgotten = SessionEvent::SessionForgotten { at: at(20) };
    given::<Session>(live())
        .when(forget())
        .then_expect_error(SessionError::NotEnded);
    for end in [revoked(RevokeReason::UserErased), expired()] {
        let ended = after(live(), end);
        given::<Session>(ended.clone())
            .when(forget())
            .then_expect_events(vec![forgotten.clone()]);
        let over = after(ended, forgotten.clone());
        given::<Session>(over.clone())
            .when(forget())
            .then_expect_events(vec![]);
        given::<Session>(over.clone())
            .when(revoke(RevokeReason::SignedOut))
            .then_expect_events(vec![]);
        given::<Session>(over)
            .when(issue(0, 1, 5))
            .then_expect_error(SessionError::SessionEnded);
    }
}
