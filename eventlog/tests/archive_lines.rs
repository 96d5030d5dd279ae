//! What a segment has is exported as it stands there, and a way through the archive reads each byte of it once.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names its own commands"
)]

#[path = "support/archived.rs"]
mod archived;
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use archived::{Memory, archive, ending, fill, fresh};
use eventlog::{
    ArchiveSweep, Database, DbError, EventFilter, Log, RecordedEvent, SCAN_POSITIONS, Stretch,
    cloud_event_line, leaf_hash,
};
use support::{ENGINES, append, event, everything, open};

/// A step ends with the line that reaches a MiB.
const STEP_BYTES: usize = 1024 * 1024;

/// Texts that JSON escapes, and large ones.
async fn fill_with_odd_ones(log: &Log) {
    let mut odd = append("odd \"\\ ü\u{1}", 0, 1);
    odd.metadata.actor = Some("a \"quoted\" actor".to_owned());
    let text = "x".repeat(50_000);
    odd.events = vec![event(&format!("{{ \"text\":\"\\u0041\\n{text}\" }}")); 70];
    log.append(odd).await.unwrap();
    let mut named = append("named", 0, 3);
    named.metadata.actor = Some("odd".to_owned());
    log.append(named).await.unwrap();
    log.append(ending("named", 3, "Ended")).await.unwrap();
}

fn filters() -> Vec<EventFilter> {
    let none = EventFilter::default;
    let some = |text: &str| Some(text.to_owned());
    let types = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    vec![
        none(),
        EventFilter {
            event_types: types(&["Ended"]),
            ..none()
        },
        EventFilter {
            event_types: types(&["Nothing", "Ended", "Forgotten"]),
            ..none()
        },
        EventFilter {
            event_types: types(&["Nothing"]),
            ..none()
        },
        EventFilter {
            event_types: types(&["nded"]),
            ..none()
        },
        EventFilter {
            actor: some("a \"quoted\" actor"),
            ..none()
        },
        EventFilter {
            actor: some("odd"),
            ..none()
        },
        EventFilter {
            actor: some("thing"),
            ..none()
        },
        EventFilter {
            subject: some("odd \"\\ ü\u{1}"),
            ..none()
        },
        EventFilter {
            subject: some("a-2"),
            ..none()
        },
        EventFilter {
            stream: some("thing/a-2"),
            ..none()
        },
        EventFilter {
            stream: some("thing/odd \"\\ ü\u{1}"),
            ..none()
        },
        EventFilter {
            stream: some("other/a-2"),
            ..none()
        },
        EventFilter {
            stream: some("thing"),
            ..none()
        },
        EventFilter {
            stream: some("thing/named"),
            event_types: types(&["Ended"]),
            ..none()
        },
        EventFilter {
            actor: some("odd"),
            event_types: types(&["Ended"]),
            ..none()
        },
    ]
}

/// The text of the lines that a filter takes, step by step; each step is as large as it may be.
async fn exported(log: &Log, up_to: u64, limit: usize, filter: &EventFilter) -> String {
    let mut stretch = Stretch { after: 0, up_to };
    let mut text = String::new();
    while stretch.after < up_to {
        let lines = log.read_lines(stretch, limit, filter).await.unwrap();
        assert!(lines.len() <= limit && lines.reached() > stretch.after);
        let is_by_index = filter.stream.is_some() || filter.subject.is_some();
        assert!(is_by_index || lines.reached() <= stretch.after + SCAN_POSITIONS);
        let sizes = lines.iter().map(|(_, line)| line.len() + 1);
        let but_the_last: usize = sizes.take(lines.len().saturating_sub(1)).sum();
        assert!(but_the_last < STEP_BYTES);
        for (position, line) in lines.iter() {
            assert!(line.contains(&format!("\"position\":{position},")));
            assert!(position > stretch.after && position <= lines.reached());
        }
        stretch.after = lines.reached();
        text += &lines.into_text();
    }
    text
}

#[tokio::test]
async fn whatever_is_exported_is_the_same_before_and_after_it_was_archived() {
    for engine in ENGINES {
        let (database, _memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 150).await;
        fill_with_odd_ones(&log).await;
        fill(&log, "b", 150).await;
        let up_to = log.head().await.unwrap();
        let mut before = Vec::new();
        for filter in filters() {
            before.push(exported(&log, up_to, usize::MAX, &filter).await);
        }
        assert!(before[0].len() > 3 * STEP_BYTES);
        let found: BTreeSet<usize> = before.iter().map(|text| text.lines().count()).collect();
        assert!(
            found.len() > 5,
            "filters that tell nothing apart: {found:?}"
        );
        archive(&database, 700).await;
        let archived = database.archived_position().await.unwrap();
        assert!(archived >= 512 && archived < up_to);
        for (filter, before) in filters().iter().zip(&before) {
            for limit in [usize::MAX, 300, 7] {
                let after = exported(&log, up_to, limit, filter).await;
                assert!(after == *before, "{engine} {limit} {filter:?}");
            }
        }
    }
}

/// Texts that zstd makes half as long and not shorter.
fn noise(seed: usize) -> String {
    let mut text = String::new();
    for n in 0..40 {
        for byte in leaf_hash(&format!("{seed}/{n}")) {
            write!(text, "{byte:02x}").unwrap();
        }
    }
    text
}

/// Some segments, one of them of several reads. Every tenth stream ends.
async fn fill_with_noise(log: &Log, from: usize, streams: usize) {
    for n in from..from + streams {
        let mut large = append(&format!("s{n}"), 0, 1);
        let payload = format!("{{\"text\":\"{}\",\"of\":\"nobody-{}\"}}", noise(n), n % 3);
        large.events = vec![event(&payload)];
        log.append(large).await.unwrap();
        if n % 10 == 0 {
            log.append(ending(&format!("s{n}"), 1, "Ended"))
                .await
                .unwrap();
        }
    }
}

async fn swept(sweep: &mut ArchiveSweep, text: &str) -> Result<Vec<RecordedEvent>, DbError> {
    let mut found = Vec::new();
    let mut reached = sweep.reached();
    while let Some(events) = sweep.next(text).await? {
        assert!(sweep.reached() > reached);
        reached = sweep.reached();
        found.extend(events);
    }
    Ok(found)
}

fn with(all: &[RecordedEvent], after: u64, text: &str) -> Vec<RecordedEvent> {
    let behind = all.iter().filter(|event| event.position > after);
    let those = behind.filter(|event| cloud_event_line(event).contains(text));
    those.cloned().collect()
}

/// Nothing was read twice, and a read is of a MiB at the most, and not of much less.
fn each_byte_once(memory: &Memory) {
    let mut reads = memory.reads.lock().unwrap().clone();
    reads.sort_by_key(|(object, range)| (object.clone(), range.start));
    for pair in reads.windows(2) {
        assert!(pair[0].0 != pair[1].0 || pair[0].1.end <= pair[1].1.start);
    }
    for (object, range) in &reads {
        assert!(range.end - range.start <= 1 << 20, "{object} {range:?}");
    }
    let objects = memory.objects.lock().unwrap();
    let bytes: usize = objects.values().map(Vec::len).sum();
    let most = bytes / (512 * 1024) + 1 + objects.len();
    assert!(reads.len() <= most, "{} reads", reads.len());
}

#[tokio::test]
async fn a_way_through_the_archive_finds_everything_and_reads_each_byte_once() {
    for engine in ENGINES {
        let (database, memory, log, _folder) = fresh(engine).await;
        fill_with_noise(&log, 0, 1_500).await;
        archive(&database, 300).await;
        archive(&database, u64::MAX).await;
        let archived = database.archived_position().await.unwrap();
        let all: Vec<_> = everything(&log).await;
        let old: Vec<_> = all
            .iter()
            .filter(|one| one.position <= archived)
            .cloned()
            .collect();
        assert!(
            memory
                .objects
                .lock()
                .unwrap()
                .values()
                .any(|one| one.len() > 1 << 20)
        );
        for after in [0, 100, 256, 700, archived - 1, archived] {
            for text in ["nobody-1", "nobody", "somebody"] {
                memory.reads.lock().unwrap().clear();
                let mut sweep = ArchiveSweep::new(&database, after);
                let found = swept(&mut sweep, text).await.unwrap();
                assert!(found == with(&old, after, text), "{engine} {after} {text}");
                assert_eq!(sweep.reached(), archived);
                each_byte_once(&memory);
            }
        }
        let mut sweep = ArchiveSweep::new(&database, 0);
        sweep.next("nobody-1").await.unwrap().unwrap();
        sweep.pass(600);
        assert!(swept(&mut sweep, "nobody-1").await.unwrap() == with(&old, 600, "nobody-1"));
        sweep.pass(3);
        assert_eq!(sweep.reached(), archived, "never back");
        // The archive grows, beside it.
        fill_with_noise(&log, 1_500, 300).await;
        archive(&database, u64::MAX).await;
        let grown = database.archived_position().await.unwrap();
        assert!(grown > archived);
        let all = everything(&log).await;
        let new: Vec<_> = all
            .iter()
            .filter(|one| one.position <= grown)
            .cloned()
            .collect();
        let found = swept(&mut sweep, "nobody-1").await.unwrap();
        assert!(found == with(&new, archived, "nobody-1") && !found.is_empty());
    }
}

#[tokio::test]
async fn a_way_through_the_archive_ends_at_what_is_damaged_or_missing() {
    for engine in ENGINES {
        let (database, memory, log, _folder) = fresh(engine).await;
        fill_with_noise(&log, 0, 600).await;
        archive(&database, u64::MAX).await;
        let (name, good) = {
            let objects = memory.objects.lock().unwrap();
            let (name, content) = objects.first_key_value().unwrap();
            (name.clone(), content.clone())
        };
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        for bad in [Some(flipped), Some(good[..good.len() - 1].to_vec()), None] {
            {
                let mut objects = memory.objects.lock().unwrap();
                match bad {
                    Some(bad) => objects.insert(name.clone(), bad),
                    None => objects.remove(&name),
                };
            }
            let other = Database::clone(&database).with_archive(Arc::clone(&memory) as _);
            let mut sweep = ArchiveSweep::new(&other, 0);
            let refused = swept(&mut sweep, "nobody-1").await.unwrap_err();
            assert!(matches!(&refused, DbError::Archive(why) if why.contains(&name)));
            let log = open(&other).await;
            let up_to = log.head().await.unwrap();
            let mut after = 0;
            let refused = loop {
                let stretch = Stretch { after, up_to };
                match log
                    .read_lines(stretch, 1_000, &EventFilter::default())
                    .await
                {
                    Ok(lines) => after = lines.reached(),
                    Err(error) => break error,
                }
                assert!(after < up_to, "{engine}: what is damaged was exported");
            };
            assert!(matches!(&refused, DbError::Archive(why) if why.contains(&name)));
        }
    }
}

#[tokio::test]
async fn there_is_no_way_where_nothing_is_archived() {
    for engine in ENGINES {
        let (database, _memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 20).await;
        let mut sweep = ArchiveSweep::new(&database, 0);
        assert!(sweep.next("a").await.unwrap().is_none(), "{engine}");
    }
}
