//! The archive, on both engines: whatever was archived and pruned, the log reads as before, and what is damaged is an
//! error and never a gap.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and names its own commands"
)]

#[path = "support/archived.rs"]
mod archived;
mod support;

use std::sync::Arc;

use archived::{archive, count, ending, fill, fresh};
use chrono::TimeDelta;
use eventlog::{
    AppendError, ArchiveError, ArchiveLock, CommitObserver, Database, DbError, EventFilter, Log,
    RecordedEvent, SCAN_POSITIONS, Stretch, Tree, cloud_event_line, event_id, leaf_hash,
    verify_inclusion,
};
use support::{ENGINES, append, everything, open};

/// Whatever went to the archive is proved as before.
async fn same_tree(database: &Database, before: &[RecordedEvent]) {
    let tree = Tree::new(database.clone());
    let size = before.len() as u64;
    let root = tree.root(size).await.unwrap();
    for (tile, leaves) in before.chunks_exact(256).enumerate() {
        let leaves: Vec<_> = leaves.iter().map(|event| event.leaf_hash).collect();
        let read = tree.tile(0, tile as u64, 256).await.unwrap();
        assert_eq!(read, Some(leaves));
    }
    for event in before.iter().step_by(61) {
        let index = event.position - 1;
        assert_eq!(
            tree.position_of(event.event_id).await.unwrap(),
            Some(event.position)
        );
        let proof = tree.inclusion_proof(index, size).await.unwrap().unwrap();
        assert!(
            verify_inclusion(event.leaf_hash, index, size, &root, &proof),
            "{index}"
        );
    }
    assert_eq!(tree.position_of(uuid::Uuid::now_v7()).await.unwrap(), None);
}

async fn same(log: &Log, before: &[RecordedEvent]) {
    let after = everything(log).await;
    assert_eq!(&after[..before.len()], before);
    for (event, position) in after.iter().zip(1..) {
        assert_eq!(event.position, position);
        assert_eq!(event.leaf_hash, leaf_hash(&cloud_event_line(event)));
    }
    for (after, limit) in [(0, 1), (250, 20), (511, 3), (600, 1000)] {
        let part = log.read_all(after, limit).await.unwrap();
        assert!(!part.is_empty() && part.len() <= limit);
        let from = usize::try_from(after).unwrap();
        assert_eq!(part, before[from..from + part.len()]);
    }
    let head = before.len() as u64;
    for stream in ["a-0", "a-1", "a-4", "b-2", "none"] {
        let own = before.iter().filter(|event| event.aggregate_id == stream);
        let own: Vec<_> = own.cloned().collect();
        assert_eq!(log.read_stream("thing", stream).await.unwrap(), own);
        let of_stream = EventFilter {
            stream: Some(format!("thing/{stream}")),
            ..EventFilter::default()
        };
        let of_subject = EventFilter {
            subject: Some(stream.to_owned()),
            ..EventFilter::default()
        };
        for filter in [of_stream, of_subject] {
            for limit in [1, 1000] {
                assert_eq!(
                    read_lines(log, head, limit, &filter).await,
                    lines(&own),
                    "{filter:?}"
                );
            }
        }
    }
    let all = EventFilter::default();
    assert_eq!(read_lines(log, head, 1000, &all).await, lines(before));
    let filter = EventFilter {
        event_types: vec!["Ended".to_owned()],
        ..EventFilter::default()
    };
    let ended = before.iter().filter(|event| event.event_type == "Ended");
    let ended: Vec<_> = ended.cloned().collect();
    for limit in [1, 70, ended.len(), ended.len() + 1] {
        assert_eq!(
            read_lines(log, head, limit, &filter).await,
            lines(&ended),
            "limit {limit}"
        );
    }
    for event in before.iter().step_by(97) {
        let earlier = before
            .iter()
            .filter(|one| one.recorded_at < event.recorded_at);
        let position = log.position_before(event.recorded_at).await.unwrap();
        assert_eq!(position, earlier.count() as u64);
    }
}

fn lines(events: &[RecordedEvent]) -> Vec<String> {
    events.iter().map(cloud_event_line).collect()
}

/// The lines that a filter takes, step by step.
async fn read_lines(log: &Log, head: u64, limit: usize, filter: &EventFilter) -> Vec<String> {
    let mut stretch = Stretch {
        after: 0,
        up_to: head,
    };
    let mut found = Vec::new();
    while stretch.after < stretch.up_to {
        let step = log.read_lines(stretch, limit, filter).await.unwrap();
        assert!(step.len() <= limit && step.reached() > stretch.after);
        stretch.after = step.reached();
        found.extend(step.iter().map(|(_, line)| line.to_owned()));
    }
    found
}

#[tokio::test]
async fn an_archived_log_reads_as_before() {
    for engine in ENGINES {
        let (database, memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 200).await;
        fill(&log, "b", 40).await;
        let before = everything(&log).await;
        assert!(before.len() > 900);
        assert_eq!(archive(&database, 255).await, 0, "less than a frame");
        let gone = archive(&database, 600).await;
        assert!(gone > 200, "{gone}");
        same(&log, &before).await;
        same_tree(&database, &before).await;
        // Another process that knows nothing yet of what this one archived.
        let other = Database::clone(&database).with_archive(Arc::clone(&memory) as _);
        same(&open(&other).await, &before).await;
        assert!(archive(&database, u64::MAX).await > 50);
        assert_eq!(archive(&database, u64::MAX).await, 0, "again");
        same(&log, &before).await;
        same_tree(&database, &before).await;
        assert_eq!(count(&database, "log_segments").await, 2);
        let kept = count(&database, "events").await;
        assert_eq!(memory.objects.lock().unwrap().len(), 2);
        // It goes on as if nothing had been.
        fill(&log, "c", 30).await;
        let all = everything(&log).await;
        assert_eq!(&all[..before.len()], before);
        assert!(count(&database, "events").await > kept);
        assert_eq!(Database::check_root(&database).await.ok(), Some(()));
    }
}

#[tokio::test]
async fn an_ended_stream_keeps_its_version() {
    for engine in ENGINES {
        let (database, _memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 100).await;
        archive(&database, u64::MAX).await;
        // a-4 had five events and its end.
        for expected in [0, 5, 7] {
            let refused = log.append(append("a-4", expected, 1)).await.unwrap_err();
            let AppendError::VersionConflict { actual, .. } = refused else {
                panic!("{engine}: {refused}");
            };
            assert_eq!(actual, 6, "{engine}");
        }
        log.append(ending("a-4", 6, "Forgotten")).await.unwrap();
        let stream = log.read_stream("thing", "a-4").await.unwrap();
        let versions: Vec<u64> = stream.iter().map(|event| event.sequence).collect();
        assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7], "{engine}");
        fill(&log, "b", 100).await;
        archive(&database, u64::MAX).await;
        assert_eq!(log.read_stream("thing", "a-4").await.unwrap(), stream);
        let refused = log.append(append("a-4", 6, 1)).await.unwrap_err();
        assert!(matches!(
            refused,
            AppendError::VersionConflict { actual: 7, .. }
        ));
    }
}

#[tokio::test]
async fn what_is_damaged_or_missing_is_an_error_and_never_a_gap() {
    for engine in ENGINES {
        let (database, memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 100).await;
        archive(&database, 300).await;
        let (name, good) = {
            let objects = memory.objects.lock().unwrap();
            let (name, content) = objects.first_key_value().unwrap();
            (name.clone(), content.clone())
        };
        let put = |content: Option<Vec<u8>>| {
            let mut objects = memory.objects.lock().unwrap();
            match content {
                Some(content) => objects.insert(name.clone(), content),
                None => objects.remove(&name),
            };
        };
        let mut flipped = good.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let other = zstd::bulk::compress(b"{}\n", 1).unwrap();
        for bad in [
            None,
            Some(flipped),
            Some(good[..good.len() - 1].to_vec()),
            Some(Vec::new()),
            Some([other, good.clone()].concat()),
        ] {
            put(bad);
            let fresh = Database::clone(&database).with_archive(Arc::clone(&memory) as _);
            let log = open(&fresh).await;
            let refused = log.read_all(0, 10).await.unwrap_err();
            assert!(matches!(&refused, DbError::Archive(why) if why.contains(&name)));
            assert!(log.read_all(256, 10).await.is_ok(), "the rest is there");
            assert!(log.read_stream("thing", "a-0").await.is_err());
        }
        put(Some(good));
        assert_eq!(everything(&log).await.len(), 396, "{engine}");
    }
}

#[tokio::test]
async fn only_what_is_archived_can_be_deleted_whoever_asks() {
    for engine in ENGINES {
        let (database, _memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 150).await;
        archive(&database, 300).await;
        let before = count(&database, "events").await;
        let summary = |version: i64, stream: &str| {
            format!("INSERT INTO log_ended_streams VALUES ('thing', '{stream}', {version}, 1, 1)")
        };
        for sql in [
            "DELETE FROM events WHERE position > 300".to_owned(),
            "DELETE FROM events".to_owned(),
            // Archived, but its stream lives.
            "DELETE FROM events WHERE position = (SELECT MIN(position) FROM events)".to_owned(),
            "UPDATE events SET event_type = 'Other' WHERE position = 300".to_owned(),
            "DELETE FROM log_segments".to_owned(),
            "UPDATE log_segments SET object = 'other'".to_owned(),
            "INSERT INTO log_segments SELECT 512, 300, object, bytes, frames, frontier, root FROM log_segments".to_owned(),
            "INSERT INTO log_segments SELECT 512000, 257, object, bytes, frames, frontier, root FROM log_segments".to_owned(),
            "DELETE FROM log_ended_streams".to_owned(),
            "UPDATE log_ended_streams SET version = version - 1".to_owned(),
            // A summary of what is not there does no harm.
            summary(99, "b-0"),
        ] {
            let is_harmless = sql.starts_with("INSERT INTO log_ended");
            let outcome = database.execute(vec![(sql.clone(), Vec::new())]).await;
            assert_eq!(outcome.is_ok(), is_harmless, "{engine}: {sql}");
        }
        assert_eq!(count(&database, "events").await, before);
    }
}

#[tokio::test]
async fn nothing_is_archived_of_a_log_that_was_tampered_with() {
    for engine in ENGINES {
        let (database, memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 100).await;
        let drop_guard = match engine {
            "sqlite" => "DROP TRIGGER events_are_not_updated",
            _ => "DROP TRIGGER events_are_append_only ON events",
        };
        for sql in [
            drop_guard,
            "UPDATE events SET leaf_hash = (SELECT leaf_hash FROM events WHERE position = 1) WHERE position = 9",
        ] {
            database
                .execute(vec![(sql.to_owned(), Vec::new())])
                .await
                .unwrap();
        }
        let refused = database.check_root().await.unwrap_err();
        assert!(matches!(refused, ArchiveError::WrongRoot), "{engine}");
        // Even one who goes on without asking finds out when the segment is read back.
        let refused = database.seal_segment(256).await.unwrap_err();
        assert!(matches!(refused, ArchiveError::NotReadBack(_)), "{engine}");
        assert_eq!(count(&database, "log_segments").await, 0);
        drop(memory);
    }
}

#[tokio::test]
async fn one_archives_at_a_time() {
    for engine in ENGINES {
        let (database, _memory, _log, _folder) = fresh(engine).await;
        let held = ArchiveLock::take(&database).await.unwrap();
        assert!(held.is_some(), "{engine}");
        assert!(ArchiveLock::take(&database).await.unwrap().is_none());
        drop(held);
        let again = async {
            // The server of a connection that was dropped notices in a moment.
            while ArchiveLock::take(&database).await.unwrap().is_none() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(20), again)
            .await
            .unwrap();
    }
}

/// However few of them the archive has in between.
#[tokio::test]
async fn a_step_looks_at_a_bounded_stretch_for_the_events_of_an_ended_stream() {
    let (database, _memory, log, _folder) = fresh("sqlite").await;
    log.append(append("rare", 0, 1)).await.unwrap();
    for n in 0..80 {
        log.append(append(&format!("s{n}"), 0, 255)).await.unwrap();
    }
    log.append(ending("rare", 1, "Ended")).await.unwrap();
    log.append(append("last", 0, 256)).await.unwrap();
    archive(&database, u64::MAX).await;
    let own = log.read_stream("thing", "rare").await.unwrap();
    let places: Vec<u64> = own.iter().map(|event| event.position).collect();
    assert_eq!(places, [1, 20_402]);
    let up_to = log.head().await.unwrap();
    for filter in [
        EventFilter {
            stream: Some("thing/rare".to_owned()),
            ..EventFilter::default()
        },
        EventFilter {
            subject: Some("rare".to_owned()),
            ..EventFilter::default()
        },
    ] {
        for after in [0, 1] {
            let step = log.read_lines(Stretch { after, up_to }, 100, &filter).await;
            let step = step.unwrap();
            assert_eq!(step.reached(), after + SCAN_POSITIONS, "{filter:?}");
        }
        assert_eq!(read_lines(&log, up_to, 100, &filter).await, lines(&own));
    }
}

#[tokio::test]
async fn an_archived_event_is_found_whose_command_was_named_days_before() {
    for engine in ENGINES {
        let (database, _memory, log, _folder) = fresh(engine).await;
        fill(&log, "a", 60).await;
        let named = |before: TimeDelta| {
            let at = (log.now() - before).timestamp_millis();
            let at = u64::try_from(at).unwrap();
            uuid::Builder::from_unix_timestamp_millis(at, &[7; 10]).into_uuid()
        };
        let mut ids = Vec::new();
        for (n, days) in [1, 20, 30].into_iter().enumerate() {
            let mut late = ending(&format!("late-{n}"), 0, "Ended");
            late.command_id = named(TimeDelta::days(days));
            let events = log.append(late).await.unwrap();
            ids.push((events[0].event_id, events[0].position));
        }
        fill(&log, "b", 200).await;
        assert!(archive(&database, u64::MAX).await > 0);
        assert_eq!(
            count(&database, "events WHERE aggregate_id LIKE 'late%'").await,
            0
        );
        let tree = Tree::new(database.clone());
        for (id, position) in ids {
            let found = tree.position_of(id).await.unwrap();
            assert_eq!(found, Some(position), "{engine}");
        }
        let never = event_id(named(TimeDelta::days(1)), 1);
        assert_eq!(tree.position_of(never).await.unwrap(), None);
    }
}

/// One who hears of everything, so that the log reads everything.
struct Hearing;

impl CommitObserver for Hearing {
    fn committed(&self, _: &[RecordedEvent]) {}
}

#[tokio::test]
async fn a_log_is_followed_over_the_end_of_the_archive() {
    for engine in ENGINES {
        let (database, memory, log, _folder) = fresh(engine).await;
        log.attach_observer(0, Arc::new(Hearing)).await.unwrap();
        log.append(append("a", 0, 256)).await.unwrap();
        archive(&database, u64::MAX).await;
        let other = Database::clone(&database).with_archive(Arc::clone(&memory) as _);
        open(&other).await.append(append("b", 0, 1)).await.unwrap();
        assert_eq!(log.catch_up().await.unwrap(), 257, "{engine}");
    }
}
