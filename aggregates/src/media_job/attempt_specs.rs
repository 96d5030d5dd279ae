//! The rules of an attempt's report, one sentence each: success, failure, another try.

use super::specs::{
    DEADLINE, attempt_failed, dispatched, finished, job_failed, requested, running,
};
use super::*;
use crate::testing::{at, given, given_nothing, sha256};

const CODES_FOR_RETRY: [(FailureCode, u32); 4] = [
    (FailureCode::WorkerUnreachable, 4),
    (FailureCode::DiskFull, 4),
    (FailureCode::LimitMemory, 2),
    (FailureCode::Crashed, 2),
];

fn fail(attempt: u32, code: FailureCode, seconds: i64) -> MediaJobCommand {
    MediaJobCommand::Fail {
        attempt,
        code,
        retry_at: Some(at(seconds + 2)),
        at: at(seconds),
    }
}

fn succeed(attempt: u32) -> MediaJobCommand {
    MediaJobCommand::Succeed {
        attempt,
        outputs: vec![poster()],
        result: None,
        at: at(20),
    }
}

fn poster() -> JobOutput {
    JobOutput {
        name: "poster.webp".to_owned(),
        content_type: "image/webp".to_owned(),
        bytes: 48_000,
        sha256: sha256(8),
        object: "jobs/4/1/poster.webp".to_owned(),
    }
}

/// The codes fail one attempt after another, ten seconds apart, each with another try; then one
/// more attempt begins, at the second that is returned with the history.
fn after_failures(codes: &[FailureCode]) -> (Vec<MediaJobEvent>, u32, i64) {
    let mut history = running();
    let (mut attempt, mut seconds) = (1, 10);
    for code in codes {
        history.push(attempt_failed(attempt, *code, seconds + 5));
        attempt += 1;
        seconds += 10;
        history.push(dispatched(attempt, seconds));
    }
    (history, attempt, seconds)
}

#[test]
fn the_current_attempts_results_are_taken_in() {
    let metadata = MediaMetadata {
        duration_seconds: Some(5.28),
        ..MediaMetadata::default()
    };
    let command = MediaJobCommand::Succeed {
        attempt: 1,
        outputs: vec![poster()],
        result: Some(metadata.clone()),
        at: at(20),
    };
    given::<MediaJob>(running())
        .when(command)
        .then_expect_events(vec![MediaJobEvent::MediaJobSucceeded {
            attempt: 1,
            outputs: vec![poster()],
            result: Some(metadata),
            at: at(20),
        }]);
}

#[test]
fn a_late_result_counts_while_nobody_else_was_given_the_job() {
    let command = MediaJobCommand::Succeed {
        attempt: 1,
        outputs: vec![],
        result: None,
        at: at(DEADLINE + 1),
    };
    given::<MediaJob>(running())
        .when(command)
        .then_expect_events(vec![MediaJobEvent::MediaJobSucceeded {
            attempt: 1,
            outputs: vec![],
            result: None,
            at: at(DEADLINE + 1),
        }]);
}

#[test]
fn an_attempt_that_was_replaced_is_fenced_off() {
    let (history, _, _) = after_failures(&[FailureCode::LeaseExpired]);
    for report in [succeed(1), fail(1, FailureCode::DiskFull, 25), succeed(3)] {
        given::<MediaJob>(history.clone())
            .when(report)
            .then_expect_error(MediaJobError::StaleAttempt);
    }
}

#[test]
fn between_two_attempts_nobody_reports() {
    let history = [
        running(),
        vec![attempt_failed(1, FailureCode::DiskFull, 15)],
    ]
    .concat();
    for report in [succeed(1), succeed(2), fail(1, FailureCode::DiskFull, 25)] {
        given::<MediaJob>(history.clone())
            .when(report)
            .then_expect_error(MediaJobError::StaleAttempt);
    }
}

#[test]
fn a_finished_job_takes_no_report() {
    for history in finished() {
        for report in [succeed(1), fail(1, FailureCode::DiskFull, 25)] {
            given::<MediaJob>(history.clone())
                .when(report)
                .then_expect_error(MediaJobError::AlreadyFinished);
        }
    }
}

#[test]
fn a_job_that_was_not_requested_takes_no_report() {
    for report in [succeed(1), fail(1, FailureCode::DiskFull, 25)] {
        given_nothing::<MediaJob>()
            .when(report)
            .then_expect_error(MediaJobError::NotRequested);
    }
}

#[test]
fn a_failure_that_another_try_cannot_mend_fails_the_job_at_once() {
    let hopeless = FailureCode::ALL.iter().filter(|code| {
        matches!(
            code.class(),
            FailureClass::Permanent | FailureClass::Operator | FailureClass::Final
        )
    });
    for code in hopeless {
        given::<MediaJob>(running())
            .when(fail(1, *code, 15))
            .then_expect_events(vec![job_failed(1, *code, 15)]);
    }
}

#[test]
fn what_goes_by_is_tried_four_times_and_limits_and_crashes_twice() {
    for (code, max_tries) in CODES_FOR_RETRY {
        for failures in 0..max_tries {
            let before = vec![code; failures as usize];
            let (history, attempt, seconds) = after_failures(&before);
            let last = failures + 1 == max_tries;
            let outcome = if last { job_failed } else { attempt_failed };
            given::<MediaJob>(history)
                .when(fail(attempt, code, seconds + 5))
                .then_expect_events(vec![outcome(attempt, code, seconds + 5)]);
        }
    }
}

#[test]
fn each_class_of_failure_has_tries_of_its_own() {
    let before = [
        FailureCode::DiskFull,
        FailureCode::Crashed,
        FailureCode::DiskFull,
        FailureCode::DiskFull,
    ];
    let (history, attempt, seconds) = after_failures(&before);
    given::<MediaJob>(history.clone())
        .when(fail(attempt, FailureCode::LimitTime, seconds))
        .then_expect_events(vec![attempt_failed(
            attempt,
            FailureCode::LimitTime,
            seconds,
        )]);
    given::<MediaJob>(history)
        .when(fail(attempt, FailureCode::SandboxViolation, seconds))
        .then_expect_events(vec![job_failed(
            attempt,
            FailureCode::SandboxViolation,
            seconds,
        )]);
}

#[test]
fn a_busy_worker_costs_no_try() {
    let before = [
        vec![FailureCode::WorkerBusy; 20],
        vec![FailureCode::DiskFull; 2],
    ]
    .concat();
    let (history, attempt, seconds) = after_failures(&before);
    for code in [FailureCode::WorkerBusy, FailureCode::DiskFull] {
        given::<MediaJob>(history.clone())
            .when(fail(attempt, code, seconds))
            .then_expect_events(vec![attempt_failed(attempt, code, seconds)]);
    }
}

#[test]
fn a_retry_that_would_come_at_the_deadline_is_not_made() {
    let too_late = fail(1, FailureCode::DiskFull, DEADLINE - 2);
    given::<MediaJob>(running())
        .when(too_late)
        .then_expect_events(vec![job_failed(1, FailureCode::DiskFull, DEADLINE - 2)]);
    let in_time = fail(1, FailureCode::DiskFull, DEADLINE - 3);
    given::<MediaJob>(running())
        .when(in_time)
        .then_expect_events(vec![attempt_failed(1, FailureCode::DiskFull, DEADLINE - 3)]);
}

#[test]
fn a_retry_without_a_time_or_with_one_in_the_past_may_come_at_once() {
    for retry_at in [None, Some(at(0))] {
        let code = FailureCode::DiskFull;
        let command = MediaJobCommand::Fail {
            attempt: 1,
            code,
            retry_at,
            at: at(15),
        };
        let at_once = MediaJobEvent::MediaJobAttemptFailed {
            attempt: 1,
            code,
            class: code.class(),
            retry_at: at(15),
            at: at(15),
        };
        given::<MediaJob>(running())
            .when(command)
            .then_expect_events(vec![at_once]);
    }
}

fn refuse() -> MediaJobCommand {
    MediaJobCommand::Refuse {
        code: FailureCode::NoVideoStream,
        at: at(30),
    }
}

#[test]
fn a_waiting_job_that_cannot_succeed_fails_without_an_attempt() {
    given::<MediaJob>([requested()])
        .when(refuse())
        .then_expect_events(vec![job_failed(0, FailureCode::NoVideoStream, 30)]);
    let (mut history, _, _) = after_failures(&[]);
    history.push(attempt_failed(1, FailureCode::DiskFull, 15));
    given::<MediaJob>(history)
        .when(refuse())
        .then_expect_events(vec![job_failed(1, FailureCode::NoVideoStream, 30)]);
}

#[test]
fn a_job_that_a_worker_has_or_that_is_over_is_not_refused() {
    given_nothing::<MediaJob>()
        .when(refuse())
        .then_expect_error(MediaJobError::NotRequested);
    given::<MediaJob>(running())
        .when(refuse())
        .then_expect_error(MediaJobError::StillLeased);
    for history in finished() {
        given::<MediaJob>(history)
            .when(refuse())
            .then_expect_error(MediaJobError::AlreadyFinished);
    }
}

#[test]
fn the_order_is_known_to_the_end() {
    for history in finished() {
        let mut job = MediaJob::default();
        assert_eq!(job.order(), None);
        for event in history {
            job.apply(event);
        }
        assert!(
            job.order()
                .is_some_and(|order| order.preset == Preset::Poster)
        );
        assert_eq!(job.attempts(), None);
    }
    let mut job = MediaJob::default();
    job.apply(requested());
    assert_eq!(job.attempts().map(Attempts::next), Some(1));
}
