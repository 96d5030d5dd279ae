//! The events of one job: numbered, bounded, and followed by any number of readers.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::api::{EventBody, JobEvent};

/// How many events are remembered; a reader that comes later misses the oldest ones.
const MAX_EVENTS: usize = 256;

#[derive(Debug)]
pub struct EventLog {
    events: Mutex<VecDeque<JobEvent>>,
    last: watch::Sender<u64>,
}

impl Default for EventLog {
    fn default() -> Self {
        Self {
            events: Mutex::default(),
            last: watch::channel(0).0,
        }
    }
}

impl EventLog {
    pub fn push(&self, body: EventBody) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *self.last.borrow() + 1;
        if events.len() == MAX_EVENTS {
            events.pop_front();
        }
        events.push_back(JobEvent { seq, body });
        self.last.send_replace(seq);
    }

    /// The `seq` of the last event, 0 before the first.
    pub fn last_seq(&self) -> u64 {
        *self.last.borrow()
    }

    /// What is remembered with a `seq` above `seq`, oldest first.
    pub fn after(&self, seq: u64) -> Vec<JobEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events
            .iter()
            .filter(|event| event.seq > seq)
            .cloned()
            .collect()
    }

    /// Returns once there is an event with a `seq` above `seq`.
    pub async fn wait_beyond(&self, seq: u64) {
        let mut last = self.last.subscribe();
        // The sender lives in this very object, so the channel cannot close while it is borrowed.
        let _ = last.wait_for(|last| *last > seq).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn events_are_numbered_bounded_and_awaited() {
        let log = EventLog::default();
        for _ in 0..300 {
            log.push(EventBody::Heartbeat);
        }
        assert_eq!(log.last_seq(), 300);
        assert_eq!(log.after(0).first().unwrap().seq, 45);
        assert_eq!(
            log.after(298)
                .iter()
                .map(|event| event.seq)
                .collect::<Vec<_>>(),
            [299, 300]
        );
        log.wait_beyond(299).await;
        let waiting = log.wait_beyond(300);
        tokio::pin!(waiting);
        assert!(futures::poll!(&mut waiting).is_pending());
        log.push(EventBody::Heartbeat);
        waiting.await;
    }
}
