//! Reading lines: they are those of the events, whatever the steps, and a filter looks at a bounded stretch of the log.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names its own commands"
)]

mod support;

use eventlog::{EventFilter, Log, SCAN_POSITIONS, Stretch, cloud_event_line};
use futures::TryStreamExt as _;
use support::{ENGINES, append, database, event, everything, open};

/// Appends `count` events to a stream of their own.
async fn fill(log: &Log, stream: &str, count: u64) {
    let mut version = 0;
    while version < count {
        let some = usize::try_from(count - version).unwrap().min(250);
        version = log
            .append(append(stream, version, some))
            .await
            .unwrap()
            .last()
            .unwrap()
            .sequence;
    }
}

async fn streamed(log: &Log, stretch: Stretch, limit: usize, filter: &EventFilter) -> Vec<String> {
    let chunks: Vec<_> = log
        .stream_lines(stretch, limit, filter.clone())
        .try_collect()
        .await
        .unwrap();
    chunks
        .iter()
        .flat_map(|lines| {
            lines
                .iter()
                .map(|(_, line)| line.to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Many small events, large ones that fill more than a step and have texts that JSON escapes, and some more.
async fn fill_with_odd_ones(log: &Log) {
    fill(log, "many", 3_000).await;
    let mut odd = append("odd \"\\ ü\u{1}", 0, 1);
    odd.metadata.actor = Some("a \"quoted\" actor".to_owned());
    let text = "x".repeat(50_000);
    odd.events = vec![event(&format!("{{\"text\":\"{text}\"}}")); 30];
    log.append(odd).await.unwrap();
    fill(log, "more", 500).await;
}

/// A replay takes other ways to the rows than who reads a few.
#[tokio::test(flavor = "multi_thread")]
async fn many_events_at_once_are_those_of_small_steps() {
    for engine in ENGINES {
        let (database, _url, _folder) = database(engine).await;
        let log = open(&database).await;
        fill_with_odd_ones(&log).await;
        let mut few = Vec::new();
        loop {
            let after = few.len() as u64;
            let some = log.read_all(after, 100).await.unwrap();
            if some.is_empty() {
                break;
            }
            few.extend(some);
        }
        assert_eq!(few.len(), 3_530);
        assert_eq!(log.read_all(0, 1_000).await.unwrap(), few[..1_000]);
        assert_eq!(log.read_all(2_000, 100_000).await.unwrap(), few[2_000..]);
        assert_eq!(log.read_all(3_530, 1_000).await.unwrap(), []);
        log.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_are_those_of_the_events() {
    for engine in ENGINES {
        let (database, _url, _folder) = database(engine).await;
        let log = open(&database).await;
        fill_with_odd_ones(&log).await;
        let expected: Vec<String> = everything(&log)
            .await
            .iter()
            .map(cloud_event_line)
            .collect();
        let up_to = expected.len() as u64;
        let all = EventFilter::default();
        let quoted = EventFilter {
            actor: Some("a \"quoted\" actor".to_owned()),
            ..EventFilter::default()
        };
        let subject = EventFilter {
            subject: Some("more".to_owned()),
            ..EventFilter::default()
        };
        for (after, up_to, limit, filter, lines) in [
            (0, up_to, usize::MAX, &all, &expected[..]),
            (2_990, up_to, 20, &all, &expected[2_990..3_010]),
            (5, 9, 100, &all, &expected[5..9]),
            (up_to, up_to, 9, &all, &[]),
            (0, up_to, 900, &quoted, &expected[3_000..3_030]),
            (0, up_to, 900, &subject, &expected[3_030..]),
        ] {
            let found = streamed(&log, Stretch { after, up_to }, limit, filter).await;
            assert!(found == lines, "{engine} {after} {limit} {filter:?}");
        }
        log.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fits_little_looks_at_a_bounded_stretch_and_says_how_far() {
    for engine in ENGINES {
        let (database, _url, _folder) = database(engine).await;
        let log = open(&database).await;
        let rare = |n: u64| {
            let mut rare = append("rare", n, 1);
            rare.metadata.actor = Some("rare".to_owned());
            rare
        };
        log.append(rare(0)).await.unwrap();
        fill(&log, "many", SCAN_POSITIONS + 1_000).await;
        log.append(rare(1)).await.unwrap();
        let up_to = log.head().await.unwrap();
        let filter = EventFilter {
            actor: Some("rare".to_owned()),
            ..EventFilter::default()
        };
        let first = log
            .read_lines(Stretch { after: 0, up_to }, 10, &filter)
            .await
            .unwrap();
        assert_eq!(
            (first.len(), first.reached()),
            (1, SCAN_POSITIONS),
            "{engine}"
        );
        let after = first.reached();
        let second = log
            .read_lines(Stretch { after, up_to }, 10, &filter)
            .await
            .unwrap();
        assert_eq!((second.len(), second.reached()), (1, up_to), "{engine}");
        let lines = streamed(&log, Stretch { after: 0, up_to }, usize::MAX, &filter).await;
        assert_eq!(lines.len(), 2, "{engine}");
        // A stream is found by its index, so the whole log is one stretch.
        let stream = EventFilter {
            stream: Some("thing/rare".to_owned()),
            ..EventFilter::default()
        };
        let found = log
            .read_lines(Stretch { after: 0, up_to }, 10, &stream)
            .await
            .unwrap();
        assert_eq!((found.len(), found.reached()), (2, up_to), "{engine}");
        log.shut_down().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_is_a_position() {
    for engine in ENGINES {
        let (database, _url, _folder) = database(engine).await;
        let log = open(&database).await;
        assert_eq!(
            log.position_before(chrono::Utc::now()).await.unwrap(),
            0,
            "an empty log"
        );
        for n in 0..20 {
            log.append(append("one", 3 * n, 3)).await.unwrap();
        }
        let events = everything(&log).await;
        for event in &events {
            let expected = events
                .iter()
                .filter(|one| one.recorded_at < event.recorded_at)
                .count();
            let found = log.position_before(event.recorded_at).await.unwrap();
            assert_eq!(found, expected as u64, "{engine}");
        }
        let later = events[59].recorded_at + chrono::TimeDelta::nanoseconds(1);
        assert_eq!(log.position_before(later).await.unwrap(), 60, "{engine}");
        log.shut_down().await;
    }
}
