//! The lines of `GET …/events`: one JSON object a line.

use serde::{Deserialize, Serialize};

use super::{Failure, JobState};

/// One line. `seq` grows by one with every event of the job; a heartbeat repeats the last `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobEvent {
    pub seq: u64,
    #[serde(flatten)]
    pub body: EventBody,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum EventBody {
    State {
        state: JobState,
    },
    Progress {
        /// 0 to 100; absent when the length of the input is unknown. 100 says that all is made and is being checked, and
        /// that the job's slot is free.
        pct: Option<f64>,
        out_time_us: Option<u64>,
        fps: Option<f64>,
        /// Media seconds per wall second.
        speed: Option<f64>,
    },
    /// A line of `FFmpeg`'s diagnostics: bounded, without control characters, for administrators.
    Log {
        line: String,
    },
    /// The last event of every job.
    Result {
        state: JobState,
        failure: Option<Failure>,
    },
    /// Nothing happened for five seconds, and the worker is alive.
    Heartbeat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_flat() {
        let event = JobEvent {
            seq: 3,
            body: EventBody::State {
                state: JobState::Running,
            },
        };
        let line = serde_json::to_string(&event).unwrap();
        assert_eq!(line, r#"{"seq":3,"ev":"state","state":"running"}"#);
        assert_eq!(serde_json::from_str::<JobEvent>(&line).unwrap(), event);
    }
}
