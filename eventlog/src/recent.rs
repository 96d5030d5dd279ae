//! The newest events in memory, so that what follows the log closely does not read the database for them.

use std::collections::VecDeque;
use std::sync::{Arc, RwLock};

use crate::RecordedEvent;

/// Events that are kept.
const EVENTS: usize = 2048;
/// Bytes of their payloads that are kept.
const BYTES: usize = 4 * 1024 * 1024;

/// A window without a gap on the end of the log, as far as this node has heard of it.
#[derive(Debug)]
pub(crate) struct Recent(RwLock<Window>);

#[derive(Debug)]
struct Window {
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
    /// The position of the last event, also when none are kept.
    head: u64,
}

impl Recent {
    pub(crate) fn new(head: u64) -> Self {
        Self(RwLock::new(Window {
            events: VecDeque::new(),
            bytes: 0,
            head,
        }))
    }

    /// Events that this node hears of, each once and in order.
    pub(crate) fn push(&self, events: &[RecordedEvent]) {
        let Ok(mut window) = self.0.write() else {
            return;
        };
        for event in events {
            window.push(Arc::new(event.clone()));
        }
    }

    /// This node did not hear of the events up to `head`.
    pub(crate) fn skip_to(&self, head: u64) {
        if let Ok(mut window) = self.0.write()
            && window.head < head
        {
            window.begin_anew(head);
        }
    }

    /// Whether none of these events is at the place of another one.
    pub(crate) fn agrees(&self, events: &[RecordedEvent]) -> bool {
        let Ok(window) = self.0.read() else {
            return true;
        };
        let Some(first) = window.events.front().map(|event| event.position) else {
            return true;
        };
        events.iter().all(|event| {
            let place = event.position.checked_sub(first);
            let place = place.and_then(|place| usize::try_from(place).ok());
            let kept = place.and_then(|place| window.events.get(place));
            kept.is_none_or(|kept| kept.event_id == event.event_id)
        })
    }

    /// Only the database knows the events up to now.
    pub(crate) fn forget(&self) {
        if let Ok(mut window) = self.0.write() {
            let head = window.head;
            window.begin_anew(head);
        }
    }

    /// At most `limit` events after a position; none when there are no more; `None` when only the database knows.
    pub(crate) fn after(&self, after: u64, limit: usize) -> Option<Vec<Arc<RecordedEvent>>> {
        let window = self.0.read().ok()?;
        if after == window.head {
            return Some(Vec::new());
        }
        let first = window.events.front()?.position;
        let skipped = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        let events = window.events.iter().skip(skipped).take(limit);
        let events: Vec<_> = events.map(Arc::clone).collect();
        (!events.is_empty()).then_some(events)
    }
}

impl Window {
    fn push(&mut self, event: Arc<RecordedEvent>) {
        if event.position != self.head + 1 {
            self.begin_anew(event.position - 1);
        }
        self.head = event.position;
        self.bytes += event.payload.len();
        self.events.push_back(event);
        while self.events.len() > EVENTS || self.bytes > BYTES {
            let Some(oldest) = self.events.pop_front() else {
                return;
            };
            self.bytes -= oldest.payload.len();
        }
    }

    fn begin_anew(&mut self, head: u64) {
        self.events.clear();
        self.bytes = 0;
        self.head = head;
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;

    fn events(positions: std::ops::RangeInclusive<u64>, payload: usize) -> Vec<RecordedEvent> {
        let event = |position| RecordedEvent {
            position,
            event_id: Uuid::nil(),
            recorded_at: DateTime::UNIX_EPOCH,
            aggregate_type: String::new(),
            aggregate_id: String::new(),
            sequence: 1,
            event_type: String::new(),
            event_version: String::new(),
            payload: "x".repeat(payload),
            metadata: String::new(),
            leaf_hash: [0; 32],
        };
        positions.map(event).collect()
    }

    fn positions(recent: &Recent, after: u64, limit: usize) -> Option<Vec<u64>> {
        let events = recent.after(after, limit)?;
        Some(events.iter().map(|event| event.position).collect())
    }

    #[test]
    fn what_it_has_is_without_a_gap_and_the_rest_is_the_databases() {
        let recent = Recent::new(10);
        assert_eq!(positions(&recent, 10, 5), Some(vec![]));
        assert_eq!(positions(&recent, 9, 5), None);
        recent.push(&events(11..=14, 1));
        assert_eq!(positions(&recent, 10, 5), Some(vec![11, 12, 13, 14]));
        assert_eq!(positions(&recent, 12, 1), Some(vec![13]));
        assert_eq!(positions(&recent, 14, 5), Some(vec![]));
        assert_eq!(positions(&recent, 9, 5), None);
        // Another node's checkpoint may be ahead of what this node has heard.
        assert_eq!(positions(&recent, 15, 5), None);
        recent.skip_to(20);
        assert_eq!(positions(&recent, 14, 5), None);
        assert_eq!(positions(&recent, 20, 5), Some(vec![]));
        recent.push(&events(23..=23, 1));
        assert_eq!(positions(&recent, 20, 5), None);
        assert_eq!(positions(&recent, 22, 5), Some(vec![23]));
    }

    #[test]
    fn another_event_at_the_place_of_one_that_it_has_is_told() {
        let recent = Recent::new(10);
        let mut other = events(11..=12, 1);
        other[1].event_id = Uuid::from_u128(1);
        assert!(recent.agrees(&other), "it has none");
        recent.push(&events(11..=14, 1));
        assert!(recent.agrees(&events(9..=20, 1)));
        assert!(recent.agrees(&other[..1]) && !recent.agrees(&other));
        recent.forget();
        assert!(recent.agrees(&other));
        assert_eq!(positions(&recent, 11, 5), None);
        assert_eq!(positions(&recent, 14, 5), Some(vec![]));
    }

    #[test]
    fn it_is_bounded_by_number_and_by_size() {
        let recent = Recent::new(0);
        recent.push(&events(1..=3000, 1));
        assert_eq!(positions(&recent, 3000 - EVENTS as u64 - 1, 1), None);
        assert_eq!(
            positions(&recent, 3000 - EVENTS as u64, 5000)
                .unwrap()
                .len(),
            EVENTS
        );
        recent.push(&events(3001..=3001, BYTES));
        assert_eq!(positions(&recent, 2999, 1), None);
        assert_eq!(positions(&recent, 3000, 1), Some(vec![3001]));
    }
}
