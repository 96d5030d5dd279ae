//! The states that are kept as snapshots, and what tells one shape of them from another.
//!
//! `states/` holds, for each of these aggregates, its states as JSON, with every stage and every field. A test writes
//! them anew and compares: when a state gets another shape its file must change, and with the file changes the hash that
//! snapshots are found by. So a snapshot of another shape is never read. Whoever changes what a state *means* and not its
//! shape changes the file's `revision`.

use cqrs_es::Aggregate as _;

use crate::session::Session;
use crate::user::User;

/// An aggregate whose state is kept. It holds no secret and nothing personal in the clear.
#[derive(Debug, Clone, Copy)]
pub struct KeptState {
    /// The kind of stream.
    pub aggregate_type: &'static str,
    /// Its states as JSON.
    pub shape: &'static str,
    /// After these nothing of a stream is kept any more.
    pub last_events: &'static [&'static str],
}

/// The aggregates whose streams can become long and belong to one person, with whom what is kept of them goes.
pub fn kept_states() -> [KeptState; 2] {
    [
        KeptState {
            aggregate_type: Session::TYPE,
            shape: include_str!("../states/session.json"),
            last_events: &["SessionRevoked", "SessionExpired", "SessionForgotten"],
        },
        KeptState {
            aggregate_type: User::TYPE,
            shape: include_str!("../states/user.json"),
            last_events: &["UserErasureStarted", "UserErased"],
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use serde::Serialize;
    use serde_json::json;

    use super::*;
    use crate::session::{LiveSession, RefreshToken, SpentToken};
    use crate::testing::{at, id, token};
    use crate::user::{
        Account, CodeFloods, PendingEmail, RecoveryCodes, SecondFactor, SignInFlood,
    };
    use crate::values::{HourlyCount, Role};

    /// What `state` looks like must be what the file says; else its snapshots must be others than before.
    fn check(name: &str, revision: u64, states: &impl Serialize) {
        let written = json!({"revision": revision, "states": states});
        let written = serde_json::to_string_pretty(&written).unwrap() + "\n";
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("states/{name}.json"));
        let stored = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(written, stored, "{} should be\n{written}", file.display());
        let kept = kept_states()
            .into_iter()
            .find(|kept| kept.aggregate_type == name);
        assert_eq!(kept.unwrap().shape, stored);
    }

    /// Every stage is there. A new one does not compile until it has its number.
    fn all<T>(states: &[T], number: impl Fn(&T) -> usize, count: usize) {
        let found: BTreeSet<usize> = states.iter().map(number).collect();
        assert_eq!(found, (0..count).collect());
    }

    #[test]
    fn the_states_of_a_session_are_as_they_are_kept() {
        let live = LiveSession {
            user_id: id(1),
            expires_at: at(9),
            refresh: Some(RefreshToken {
                hash: token(1),
                expires_at: at(5),
            }),
            tokens_end: Some(at(5)),
            spent: [SpentToken {
                hash: token(2),
                at: at(1),
            }]
            .into(),
            reauthenticated_at: Some(at(1)),
            renewals: Some(HourlyCount {
                began_at: at(1),
                count: 2,
            }),
        };
        let states = [
            Session::NotStarted,
            Session::Live(live),
            Session::Ended,
            Session::Forgotten,
        ];
        let number = |state: &Session| match state {
            Session::NotStarted => 0,
            Session::Live(_) => 1,
            Session::Ended => 2,
            Session::Forgotten => 3,
        };
        all(&states, number, 4);
        check("session", 1, &states);
    }

    #[test]
    fn the_states_of_a_user_are_as_they_are_kept() {
        let account = Account {
            user_id: id(1),
            email_claim_id: id(2),
            email_claimed_at: at(0),
            is_email_verified: true,
            pending_email: Some(PendingEmail {
                email_claim_id: id(3),
                requested_at: at(1),
            }),
            roles: vec![Role::Admin, Role::Auditor],
            has_name: true,
            password_id: id(4),
            second_factor: Some(SecondFactor {
                totp_id: id(5),
                codes: Some(RecoveryCodes {
                    codes_id: id(6),
                    unused: vec![0, 9],
                }),
            }),
            erase_at: Some(at(2)),
            rights_revision: 3,
            flood: Some(SignInFlood {
                counted: Some(at(4)),
            }),
            code_floods: CodeFloods {
                sign_in: Some(SignInFlood {
                    counted: Some(at(6)),
                }),
                session: Some(SignInFlood {
                    counted: Some(at(7)),
                }),
            },
            factor_changes: Some(HourlyCount {
                began_at: at(5),
                count: 2,
            }),
        };
        let states = [
            User::Unregistered,
            User::Abandoned,
            User::Active(account.clone()),
            User::Disabled(account),
            User::Erasing,
            User::Erased,
        ];
        let number = |state: &User| match state {
            User::Unregistered => 0,
            User::Abandoned => 1,
            User::Active(_) => 2,
            User::Disabled(_) => 3,
            User::Erasing => 4,
            User::Erased => 5,
        };
        all(&states, number, 6);
        check("user", 1, &states);
    }
}
