//! An archive in memory, and how a log is filled and archived.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use eventlog::{
    Append, ArchiveLock, Database, Ending, Log, NewEvent, SegmentError, SegmentStore, Tree,
};

use super::support::{append, database, open};

/// What ends a stream of the tests.
pub const ENDINGS: [Ending; 1] = [Ending {
    aggregate_type: "thing",
    event_types: &["Ended", "Forgotten"],
}];

/// Objects, and what was read of them.
#[derive(Debug, Default)]
pub struct Memory {
    pub objects: Mutex<BTreeMap<String, Vec<u8>>>,
    pub reads: Mutex<Vec<(String, Range<u64>)>>,
}

#[async_trait]
impl SegmentStore for Memory {
    async fn write(&self, object: &str, content: Vec<u8>) -> Result<(), SegmentError> {
        self.objects
            .lock()
            .unwrap()
            .insert(object.to_owned(), content);
        Ok(())
    }

    async fn read(&self, object: &str, range: Range<u64>) -> Result<Vec<u8>, SegmentError> {
        let read = (object.to_owned(), range.clone());
        self.reads.lock().unwrap().push(read);
        let objects = self.objects.lock().unwrap();
        let content = objects.get(object).and_then(|content| {
            content.get(range.start.try_into().unwrap()..range.end.try_into().unwrap())
        });
        Ok(content
            .ok_or_else(|| SegmentError("missing".to_owned()))?
            .to_vec())
    }
}

pub fn ending(stream: &str, version: u64, name: &str) -> Append {
    let mut append = append(stream, version, 1);
    append.events = vec![NewEvent {
        event_type: name.to_owned(),
        event_version: "1.0".to_owned(),
        payload: format!("{{\"{name}\":{{}}}}"),
    }];
    append
}

/// Streams of 1 to 7 events; every other one ends.
pub async fn fill(log: &Log, name: &str, streams: usize) {
    for n in 0..streams {
        let stream = format!("{name}-{n}");
        let count = 1 + n % 6;
        log.append(append(&stream, 0, count)).await.unwrap();
        if n % 2 == 0 {
            let end = ending(&stream, count as u64, "Ended");
            log.append(end).await.unwrap();
        }
    }
}

pub async fn count(database: &Database, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    database.query(&sql, &[]).await.unwrap()[0].int(0).unwrap()
}

pub async fn archive(database: &Database, up_to: u64) -> u64 {
    let lock = ArchiveLock::take(database).await.unwrap().unwrap();
    database.check_root().await.unwrap();
    while database.seal_segment(up_to).await.unwrap().is_some() {}
    let pruned = database.prune_archived(&ENDINGS).await.unwrap();
    let (signed, root) = database.head_and_root().await.unwrap();
    database.forget_archived_leaves(signed).await.unwrap();
    assert_eq!(
        Tree::new(database.clone()).root(signed).await.unwrap(),
        root
    );
    lock.release().await.unwrap();
    pruned.events
}

pub async fn fresh(engine: &str) -> (Database, Arc<Memory>, Log, Option<tempfile::TempDir>) {
    let (database, _, folder) = database(engine).await;
    let memory = Arc::new(Memory::default());
    let database = database.with_archive(Arc::clone(&memory) as Arc<dyn SegmentStore>);
    let log = open(&database).await;
    (database, memory, log, folder)
}
