//! Attempts whose passwords are being looked at by this process.
//!
//! Each reserves before it reads the counters, and lets go after its failure is in the table: so of any two, one sees the
//! other, as reserved or as counted. Seen as both, it counts twice; that refuses too much, never too little.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::gates::Gate;
use super::table::Counted;

/// How many attempts are under way against each subject. It is as large as there are attempts.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<HashMap<String, i64>>);

/// A place among them, until it is dropped.
#[derive(Debug)]
#[must_use = "an attempt is counted as long as it has its reservation"]
pub struct Reservation {
    all: Arc<InFlight>,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    subject: String,
    /// How many were under way before.
    before: i64,
}

impl InFlight {
    /// Counts an attempt for each of the subjects.
    pub(super) fn reserve(self: &Arc<Self>, subjects: &[&str]) -> Reservation {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let held = subjects.iter().map(|subject| {
            let count = all.entry((*subject).to_owned()).or_default();
            *count += 1;
            Held {
                subject: (*subject).to_owned(),
                before: *count - 1,
            }
        });
        let held = held.collect();
        drop(all);
        Reservation {
            all: Arc::clone(self),
            held,
        }
    }

    fn release(&self, released: impl IntoIterator<Item = Held>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for held in released {
            let Entry::Occupied(mut count) = all.entry(held.subject) else {
                continue;
            };
            *count.get_mut() -= 1;
            if *count.get() <= 0 {
                count.remove();
            }
        }
    }
}

impl Reservation {
    /// Lets go of everything but the gates.
    pub(super) fn keep(&mut self, gates: &[Gate]) {
        let is_gate = |held: &Held| gates.iter().any(|gate| gate.subject == held.subject);
        let (kept, rest) = std::mem::take(&mut self.held)
            .into_iter()
            .partition::<Vec<_>, _>(is_gate);
        self.held = kept;
        self.all.release(rest);
    }

    /// Whether the attempt may be made even if all that were under way before it fail. Beyond the free ones it has to be
    /// alone: each failure is followed by a delay.
    pub(super) fn has_room(&self, gates: &[Gate], rows: &[Counted], now: DateTime<Utc>) -> bool {
        self.held.iter().all(|held| {
            let of = |subject: &String| *subject == held.subject;
            let free = gates.iter().find(|gate| of(&gate.subject));
            let row = rows.iter().find(|row| of(&row.subject));
            let failures = row.map_or(0, |row| row.failures_at(now));
            held.before == 0 || failures + held.before < free.map_or(0, |gate| gate.free)
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.all.release(std::mem::take(&mut self.held));
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn gate(subject: &str, free: i64) -> Gate {
        Gate {
            subject: subject.to_owned(),
            account: "account".to_owned(),
            free,
            keeps_for: TimeDelta::hours(1),
        }
    }

    fn row(subject: &str, failures: i64, expires_at: i64) -> Counted {
        Counted {
            subject: subject.to_owned(),
            blocked_until: 0,
            failures,
            expires_at,
        }
    }

    fn at(micros: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(micros).unwrap()
    }

    #[test]
    fn as_many_are_under_way_as_are_free_and_then_one() {
        let (all, gates) = (Arc::new(InFlight::default()), [gate("a", 3)]);
        let one = all.reserve(&["a"]);
        let two = all.reserve(&["a"]);
        let three = all.reserve(&["a"]);
        let four = all.reserve(&["a"]);
        let room =
            |one: &Reservation, failures| one.has_room(&gates, &[row("a", failures, 100)], at(50));
        assert_eq!(
            [&one, &two, &three, &four].map(|one| room(one, 0)),
            [true, true, true, false]
        );
        assert_eq!(
            [&one, &two, &three, &four].map(|one| room(one, 2)),
            [true, false, false, false]
        );
        assert!(room(&one, 70), "the delay is another question");
        let is_over = three.has_room(&gates, &[row("a", 70, 100)], at(100));
        assert!(is_over, "what is over is not counted");
        drop((one, two, three, four));
        assert!(all.0.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_no_gate_is_let_go() {
        let (all, gates) = (Arc::new(InFlight::default()), [gate("a", 1)]);
        let mut one = all.reserve(&["a", "b"]);
        one.keep(&gates);
        let another = all.reserve(&["b"]);
        assert!(another.has_room(&[gate("b", 0)], &[], at(0)));
        let behind = all.reserve(&["a"]);
        assert!(!behind.has_room(&gates, &[], at(0)));
    }
}
