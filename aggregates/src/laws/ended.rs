//! The law of ended streams: their first and last event say as much as all of them.

use std::collections::BTreeSet;
use std::fmt::Debug;

use cqrs_es::{Aggregate, DomainEvent as _};
use proptest::prelude::*;

use super::{check_history, commands, fold};
use crate::administrators::Administrators;
use crate::email_claim::EmailClaim;
use crate::ended::{ENDINGS, REVIVALS};
use crate::forgotten_sessions::ForgottenSessions;
use crate::media::Media;
use crate::media_job::MediaJob;
use crate::service_key::ServiceKey;
use crate::session::Session;
use crate::user::User;

fn ends<A: Aggregate>(event: &A::Event) -> bool {
    let endings = ENDINGS.iter().find(|(kind, _)| *kind == A::TYPE);
    endings.is_some_and(|(_, types)| types.contains(&event.event_type().as_str()))
}

fn check_ended<A>(commands: Vec<A::Command>) -> Result<(), TestCaseError>
where
    A: Aggregate<Services = ()> + Clone + PartialEq + Debug,
{
    let history = check_history::<A>(commands)?;
    let mut has_ended = false;
    for (n, event) in history.iter().enumerate() {
        let is_revival = REVIVALS.contains(&event.event_type().as_str());
        prop_assert!(
            !has_ended || ends::<A>(event) || is_revival,
            "{:?} after the end",
            event
        );
        has_ended = ends::<A>(event);
        if has_ended {
            let all = fold(A::default(), &history[..=n]);
            let two = fold(A::default(), &[history[0].clone(), event.clone()]);
            prop_assert_eq!(all, two);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn ended_streams_are_told_by_their_first_and_last_event(
        user in commands::user(),
        claim in commands::email_claim(),
        session in commands::session(),
        media in commands::media(),
        job in commands::media_job(),
        administrators in commands::administrators(),
        key in commands::service_key(),
        forgotten in commands::forgotten_sessions(),
    ) {
        check_ended::<User>(user)?;
        check_ended::<EmailClaim>(claim)?;
        check_ended::<Session>(session)?;
        check_ended::<Media>(media)?;
        check_ended::<MediaJob>(job)?;
        check_ended::<Administrators>(administrators)?;
        check_ended::<ServiceKey>(key)?;
        check_ended::<ForgottenSessions>(forgotten)?;
    }
}

#[test]
fn endings_are_events_that_there_are() {
    let known: BTreeSet<&str> = crate::all_event_types().into_iter().collect();
    for (kind, types) in ENDINGS {
        assert!(types.iter().all(|name| known.contains(name)), "{kind}");
    }
    assert!(REVIVALS.iter().all(|name| known.contains(name)));
}
