//! The rules of media jobs, one sentence each: asking, dispatching, leases, cancelling, deadlines.
//! A job has until second 1,000; a lease lasts 30 seconds.

use super::*;
use crate::testing::{at, given, given_nothing, id, sha256};

pub const DEADLINE: i64 = 1_000;

pub fn request() -> RequestMediaJob {
    RequestMediaJob {
        job_id: id(4),
        media_id: id(3),
        owner: id(1),
        preset: Preset::Poster,
        preset_version: 1,
        input_sha256: sha256(7),
        input_bytes: 1_055_736,
        options: JobOptions {
            seek_ms: Some(1_500),
        },
        deadline_at: at(DEADLINE),
        at: at(0),
    }
}

pub fn requested() -> MediaJobEvent {
    MediaJobEvent::MediaJobRequested {
        job_id: id(4),
        media_id: id(3),
        owner: id(1),
        preset: Preset::Poster,
        preset_version: 1,
        input_sha256: sha256(7),
        input_bytes: 1_055_736,
        options: JobOptions {
            seek_ms: Some(1_500),
        },
        deadline_at: at(DEADLINE),
        at: at(0),
    }
}

pub fn dispatch(attempt: u32, seconds: i64) -> MediaJobCommand {
    MediaJobCommand::Dispatch {
        worker: "worker-1".to_owned(),
        attempt,
        lease_until: at(seconds + 30),
        at: at(seconds),
    }
}

pub fn dispatched(attempt: u32, seconds: i64) -> MediaJobEvent {
    MediaJobEvent::MediaJobDispatched {
        attempt,
        worker: "worker-1".to_owned(),
        lease_until: at(seconds + 30),
        at: at(seconds),
    }
}

pub fn attempt_failed(attempt: u32, code: FailureCode, seconds: i64) -> MediaJobEvent {
    MediaJobEvent::MediaJobAttemptFailed {
        attempt,
        code,
        class: code.class(),
        retry_at: at(seconds + 2),
        at: at(seconds),
    }
}

pub fn job_failed(attempt: u32, code: FailureCode, seconds: i64) -> MediaJobEvent {
    MediaJobEvent::MediaJobFailed {
        attempt,
        code,
        class: code.class(),
        at: at(seconds),
    }
}

pub fn succeeded(attempt: u32) -> MediaJobEvent {
    MediaJobEvent::MediaJobSucceeded {
        attempt,
        outputs: vec![],
        result: None,
        at: at(20),
    }
}

fn lease_expired(attempt: u32, seconds: i64) -> MediaJobEvent {
    MediaJobEvent::MediaJobLeaseExpired {
        attempt,
        at: at(seconds),
    }
}

pub fn cancel() -> MediaJobCommand {
    MediaJobCommand::Cancel {
        by: Some(id(1)),
        at: at(20),
    }
}

pub fn cancelled(running_attempt: Option<u32>) -> MediaJobEvent {
    MediaJobEvent::MediaJobCancelled {
        running_attempt,
        last_attempt: running_attempt.unwrap_or(0),
        by: Some(id(1)),
        at: at(20),
    }
}

fn expire(seconds: i64) -> MediaJobCommand {
    MediaJobCommand::Expire { at: at(seconds) }
}

fn queued() -> Vec<MediaJobEvent> {
    vec![requested()]
}

pub fn running() -> Vec<MediaJobEvent> {
    vec![requested(), dispatched(1, 10)]
}

/// One history for each way to end.
pub fn finished() -> [Vec<MediaJobEvent>; 3] {
    let failed = job_failed(1, FailureCode::CorruptInput, 15);
    [succeeded(1), failed, cancelled(Some(1))].map(|end| vec![requested(), dispatched(1, 10), end])
}

#[test]
fn a_job_is_requested() {
    given_nothing::<MediaJob>()
        .when(request().into())
        .then_expect_events(queued());
}

/// The same request at second 2,000.
fn later() -> MediaJobCommand {
    let later = RequestMediaJob {
        at: at(2 * DEADLINE),
        deadline_at: at(3 * DEADLINE),
        ..request()
    };
    later.into()
}

fn requested_again(last_attempt: u32) -> MediaJobEvent {
    MediaJobEvent::MediaJobRequestedAgain {
        last_attempt,
        deadline_at: at(3 * DEADLINE),
        at: at(2 * DEADLINE),
    }
}

#[test]
fn the_same_request_is_the_same_job_while_it_goes_on_and_once_it_is_decided() {
    let [succeeded, failed, _] = finished();
    let forgotten = MediaJobEvent::MediaJobForgotten { at: at(20) };
    let forgotten = vec![requested(), cancelled(None), forgotten];
    for history in [queued(), running(), succeeded, failed, forgotten] {
        given::<MediaJob>(history)
            .when(later())
            .then_expect_events(vec![]);
    }
}

#[test]
fn a_job_that_was_given_up_waits_again_when_it_is_asked_for_again() {
    let retry = attempt_failed(1, FailureCode::DiskFull, 15);
    let given_up = MediaJobEvent::MediaJobCancelled {
        running_attempt: None,
        last_attempt: 1,
        by: Some(id(1)),
        at: at(20),
    };
    for (history, last) in [
        (vec![requested(), cancelled(None)], 0),
        ([running(), vec![cancelled(Some(1))]].concat(), 1),
        ([running(), vec![retry.clone(), given_up]].concat(), 1),
        // As it was written before the event told of the last attempt.
        ([running(), vec![retry, cancelled(None)]].concat(), 1),
    ] {
        given::<MediaJob>(history)
            .when(later())
            .then_expect_events(vec![requested_again(last)]);
    }
}

#[test]
fn a_job_that_failed_waits_again_exactly_if_its_owner_was_told_that_it_may() {
    for code in FailureCode::ALL {
        let expected = if code.retryable() {
            vec![requested_again(1)]
        } else {
            vec![]
        };
        given::<MediaJob>([running(), vec![job_failed(1, *code, 15)]].concat())
            .when(later())
            .then_expect_events(expected);
    }
}

#[test]
fn a_job_that_was_asked_for_again_has_all_its_tries_and_numbers_them_on() {
    let now = 2 * DEADLINE;
    let again = [
        running(),
        vec![job_failed(4, FailureCode::DiskFull, 15), requested_again(4)],
    ]
    .concat();
    given::<MediaJob>(again.clone())
        .when(dispatch(1, now))
        .then_expect_error(MediaJobError::StaleAttempt);
    given::<MediaJob>(again.clone())
        .when(dispatch(5, now))
        .then_expect_events(vec![dispatched(5, now)]);
    // A late report of before.
    let late = MediaJobCommand::Succeed {
        attempt: 4,
        outputs: vec![],
        result: None,
        at: at(now),
    };
    given::<MediaJob>(again.clone())
        .when(late)
        .then_expect_error(MediaJobError::StaleAttempt);
    let fail = |attempt| MediaJobCommand::Fail {
        attempt,
        code: FailureCode::DiskFull,
        retry_at: Some(at(now + 3)),
        at: at(now + 1),
    };
    given::<MediaJob>([again.clone(), vec![dispatched(5, now)]].concat())
        .when(fail(5))
        .then_expect_events(vec![attempt_failed(5, FailureCode::DiskFull, now + 1)]);
    given::<MediaJob>(again.clone())
        .when(expire(3 * DEADLINE - 1))
        .then_expect_error(MediaJobError::NotYetExpired);
    given::<MediaJob>(again)
        .when(expire(3 * DEADLINE))
        .then_expect_events(vec![job_failed(
            4,
            FailureCode::DeadlineExceeded,
            3 * DEADLINE,
        )]);
}

#[test]
fn a_job_does_not_become_another_one() {
    let others = [
        RequestMediaJob {
            media_id: id(5),
            ..request()
        },
        RequestMediaJob {
            owner: id(5),
            ..request()
        },
        RequestMediaJob {
            preset: Preset::Metadata,
            ..request()
        },
        RequestMediaJob {
            preset_version: 2,
            ..request()
        },
        RequestMediaJob {
            input_sha256: sha256(8),
            ..request()
        },
        RequestMediaJob {
            options: JobOptions::default(),
            ..request()
        },
    ];
    for other in others {
        given::<MediaJob>(queued())
            .when(other.into())
            .then_expect_error(MediaJobError::RequestDiffers);
    }
}

#[test]
fn a_queued_job_is_given_to_a_worker() {
    given::<MediaJob>(queued())
        .when(dispatch(1, 10))
        .then_expect_events(vec![dispatched(1, 10)]);
}

#[test]
fn attempts_are_numbered_without_a_gap() {
    for wrong in [0, 2] {
        given::<MediaJob>(queued())
            .when(dispatch(wrong, 10))
            .then_expect_error(MediaJobError::StaleAttempt);
    }
    for wrong in [1, 3] {
        given::<MediaJob>(running())
            .when(dispatch(wrong, 40))
            .then_expect_error(MediaJobError::StaleAttempt);
    }
}

#[test]
fn a_job_is_with_one_worker_at_a_time() {
    given::<MediaJob>(running())
        .when(dispatch(2, 39))
        .then_expect_error(MediaJobError::StillLeased);
}

#[test]
fn a_silent_workers_job_is_given_to_another_when_the_lease_has_run_out() {
    given::<MediaJob>(running())
        .when(dispatch(2, 40))
        .then_expect_events(vec![lease_expired(1, 40), dispatched(2, 40)]);
}

#[test]
fn a_job_fails_when_four_workers_in_a_row_went_silent() {
    let mut history = running();
    for attempt in 2..=4 {
        let seconds = 10 + 30 * (i64::from(attempt) - 1);
        history.push(lease_expired(attempt - 1, seconds));
        history.push(dispatched(attempt, seconds));
    }
    given::<MediaJob>(history)
        .when(dispatch(5, 130))
        .then_expect_events(vec![
            lease_expired(4, 130),
            job_failed(4, FailureCode::LeaseExpired, 130),
        ]);
}

#[test]
fn a_retry_waits_for_its_time() {
    let history = [
        running(),
        vec![attempt_failed(1, FailureCode::DiskFull, 15)],
    ]
    .concat();
    given::<MediaJob>(history.clone())
        .when(dispatch(2, 16))
        .then_expect_error(MediaJobError::NotYetDue);
    given::<MediaJob>(history)
        .when(dispatch(2, 17))
        .then_expect_events(vec![dispatched(2, 17)]);
}

#[test]
fn no_attempt_begins_after_the_deadline() {
    for (history, attempt) in [(queued(), 1), (running(), 2)] {
        given::<MediaJob>(history)
            .when(dispatch(attempt, DEADLINE))
            .then_expect_error(MediaJobError::DeadlineExceeded);
    }
}

#[test]
fn a_finished_job_is_not_dispatched() {
    for history in finished() {
        given::<MediaJob>(history)
            .when(dispatch(2, 50))
            .then_expect_error(MediaJobError::AlreadyFinished);
    }
}

#[test]
fn a_job_is_cancelled_in_every_state_before_its_end() {
    let retry = attempt_failed(1, FailureCode::DiskFull, 15);
    given::<MediaJob>(queued())
        .when(cancel())
        .then_expect_events(vec![cancelled(None)]);
    given::<MediaJob>(running())
        .when(cancel())
        .then_expect_events(vec![cancelled(Some(1))]);
    let between = MediaJobEvent::MediaJobCancelled {
        running_attempt: None,
        last_attempt: 1,
        by: Some(id(1)),
        at: at(20),
    };
    given::<MediaJob>([running(), vec![retry]].concat())
        .when(cancel())
        .then_expect_events(vec![between]);
}

#[test]
fn cancelling_twice_changes_nothing() {
    given::<MediaJob>([requested(), cancelled(None)])
        .when(cancel())
        .then_expect_events(vec![]);
}

#[test]
fn what_succeeded_or_failed_cannot_be_cancelled() {
    let [succeeded, failed, _] = finished();
    for history in [succeeded, failed] {
        given::<MediaJob>(history)
            .when(cancel())
            .then_expect_error(MediaJobError::AlreadyFinished);
    }
}

#[test]
fn a_job_fails_at_its_deadline_and_not_before() {
    for (history, attempt) in [(queued(), 0), (running(), 1)] {
        given::<MediaJob>(history.clone())
            .when(expire(DEADLINE - 1))
            .then_expect_error(MediaJobError::NotYetExpired);
        given::<MediaJob>(history)
            .when(expire(DEADLINE))
            .then_expect_events(vec![job_failed(
                attempt,
                FailureCode::DeadlineExceeded,
                DEADLINE,
            )]);
    }
}

#[test]
fn a_finished_job_does_not_expire() {
    for history in finished() {
        given::<MediaJob>(history)
            .when(expire(DEADLINE))
            .then_expect_events(vec![]);
    }
}

#[test]
fn nothing_can_be_asked_of_a_job_that_was_not_requested() {
    for command in [dispatch(1, 10), cancel(), expire(DEADLINE)] {
        given_nothing::<MediaJob>()
            .when(command)
            .then_expect_error(MediaJobError::NotRequested);
    }
}

#[test]
fn only_a_finished_job_is_forgotten_and_once() {
    let forget = || MediaJobCommand::Forget { at: at(20) };
    let forgotten = MediaJobEvent::MediaJobForgotten { at: at(20) };
    for history in [queued(), running()] {
        given::<MediaJob>(history)
            .when(forget())
            .then_expect_error(MediaJobError::NotFinished);
    }
    for mut history in finished() {
        given::<MediaJob>(history.clone())
            .when(forget())
            .then_expect_events(vec![forgotten.clone()]);
        history.push(forgotten.clone());
        given::<MediaJob>(history.clone())
            .when(forget())
            .then_expect_events(vec![]);
        given::<MediaJob>(history)
            .when(dispatch(2, 30))
            .then_expect_error(MediaJobError::AlreadyFinished);
    }
}
