//! A circuit breaker: what keeps failing is left alone for a while, then tried once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Failures within [`WINDOW`] that open the circuit.
const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_mins(1);
/// How long an open circuit stays so.
const OPEN: Duration = Duration::from_secs(30);
/// A trial that has told nothing for so long has failed to.
const TRIAL: Duration = Duration::from_mins(1);

/// The circuit of one worker.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: VecDeque<Instant>,
    circuit: Circuit,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Circuit {
    #[default]
    Closed,
    /// Nothing is asked before this time.
    Open(Instant),
    /// One is trying since this time.
    Trial(Instant),
}

/// Where a circuit stands, as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CircuitState {
    /// Everything is asked.
    Closed,
    /// One may try, or tries.
    HalfOpen,
    /// Nothing is asked.
    Open,
}

impl CircuitState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }

    /// Its number in the metrics: the worse the higher.
    pub fn number(self) -> u8 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }
}

impl Breaker {
    /// How many jobs may be offered now: `None` for any number, one for a trial.
    pub fn allows(&self, now: Instant) -> Option<usize> {
        match self.circuit {
            Circuit::Closed => None,
            Circuit::Open(until) => Some(usize::from(now >= until)),
            Circuit::Trial(since) => Some(usize::from(now.duration_since(since) >= TRIAL)),
        }
    }

    /// When an open circuit lets one try.
    pub fn opens_at(&self) -> Option<Instant> {
        match self.circuit {
            Circuit::Closed => None,
            Circuit::Open(until) => Some(until),
            Circuit::Trial(since) => Some(since + TRIAL),
        }
    }

    /// A job is offered; of an open circuit it is the trial.
    pub fn begins(&mut self, now: Instant) {
        if self.circuit != Circuit::Closed {
            self.circuit = Circuit::Trial(now);
        }
    }

    /// What was to be the trial was none: another may be it at once.
    pub fn not_tried(&mut self, now: Instant) {
        if matches!(self.circuit, Circuit::Trial(_)) {
            self.circuit = Circuit::Open(now);
        }
    }

    /// The worker took a job: a trial has gone well. Its failures count on until an attempt was seen through.
    pub fn answered(&mut self) {
        self.circuit = Circuit::Closed;
    }

    /// An attempt was seen through to its end.
    pub fn succeeded(&mut self) {
        self.circuit = Circuit::Closed;
        self.failures.clear();
    }

    /// The worker did not do its part. True when that opened the circuit.
    pub fn failed(&mut self, now: Instant) -> bool {
        self.failures.push_back(now);
        while let Some(first) = self.failures.front()
            && (now.duration_since(*first) > WINDOW || self.failures.len() > FAILURES)
        {
            self.failures.pop_front();
        }
        // What was begun before the circuit opened says nothing new.
        if matches!(self.circuit, Circuit::Open(until) if now < until) {
            return false;
        }
        let opens = self.circuit != Circuit::Closed || self.failures.len() >= FAILURES;
        if opens {
            self.circuit = Circuit::Open(now + OPEN);
        }
        opens
    }

    /// Where it stands.
    pub fn state(&self, now: Instant) -> CircuitState {
        match self.circuit {
            Circuit::Closed => CircuitState::Closed,
            Circuit::Open(until) if now < until => CircuitState::Open,
            Circuit::Open(_) | Circuit::Trial(_) => CircuitState::HalfOpen,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A breaker that failed at these seconds, and the time that they count from.
    fn failed_at(seconds: &[u64]) -> (Breaker, Instant) {
        let (mut breaker, start) = (Breaker::default(), Instant::now());
        for second in seconds {
            breaker.failed(start + Duration::from_secs(*second));
        }
        (breaker, start)
    }

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn five_failures_within_a_minute_open_it_and_four_do_not() {
        let (mut breaker, start) = failed_at(&[0, 10, 20, 30]);
        assert_eq!(breaker.allows(after(start, 30)), None);
        assert!(breaker.failed(after(start, 40)));
        assert_eq!(breaker.allows(after(start, 69)), Some(0));
        assert_eq!(breaker.state(after(start, 69)), CircuitState::Open);
    }

    #[test]
    fn failures_longer_ago_than_a_minute_do_not_count() {
        let (breaker, start) = failed_at(&[0, 10, 20, 30, 61]);
        assert_eq!(breaker.allows(after(start, 61)), None);
    }

    #[test]
    fn after_half_a_minute_one_may_try_and_no_second_one_beside_it() {
        let (mut breaker, start) = failed_at(&[0, 0, 0, 0, 0]);
        let then = after(start, 30);
        assert_eq!(breaker.state(then), CircuitState::HalfOpen);
        assert_eq!(breaker.allows(then), Some(1));
        breaker.begins(then);
        assert_eq!(breaker.allows(then), Some(0));
        assert_eq!(breaker.allows(after(start, 90)), Some(1), "it told nothing");
    }

    #[test]
    fn a_trial_that_was_none_leaves_room_for_another() {
        let (mut breaker, start) = failed_at(&[0, 0, 0, 0, 0]);
        let then = after(start, 30);
        breaker.begins(then);
        breaker.not_tried(then);
        assert_eq!(breaker.allows(then), Some(1));
        let mut closed = Breaker::default();
        closed.not_tried(then);
        assert_eq!(closed.allows(then), None);
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_at_once() {
        let (mut breaker, start) = failed_at(&[0, 0, 0, 0, 0]);
        breaker.begins(after(start, 100));
        assert!(breaker.failed(after(start, 100)));
        assert_eq!(breaker.allows(after(start, 129)), Some(0));
        assert_eq!(breaker.allows(after(start, 130)), Some(1));
    }

    #[test]
    fn a_trial_that_is_taken_closes_it_until_the_next_failure() {
        let (mut breaker, start) = failed_at(&[0, 0, 0, 0, 0]);
        breaker.begins(after(start, 30));
        breaker.answered();
        assert_eq!(breaker.allows(after(start, 30)), None);
        assert!(breaker.failed(after(start, 31)));
    }

    #[test]
    fn an_attempt_seen_through_forgets_the_failures() {
        let (mut breaker, start) = failed_at(&[0, 0, 0, 0]);
        breaker.succeeded();
        assert!(!breaker.failed(after(start, 1)));
        assert_eq!(breaker.allows(after(start, 1)), None);
    }

    #[test]
    fn late_failures_do_not_keep_an_open_circuit_open() {
        let (mut breaker, start) = failed_at(&[0, 0, 0, 0, 0]);
        assert!(!breaker.failed(after(start, 29)));
        assert_eq!(breaker.allows(after(start, 30)), Some(1));
    }
}
