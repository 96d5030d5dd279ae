//! The law of projections: what the log applies in its own transaction, what a tail that is stopped at random takes in,
//! and what is rebuilt from zero are the same rows. Over histories by chance, of every event that was ever stored.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use eventlog::rebuild::{self, Mode, RebuildError};
use eventlog::testing::TestPostgres;
use eventlog::{
    Append, Change, Database, Log, LogOptions, Metadata, NewEvent, Projection, ProjectionError,
    ProjectionTail, RecordedEvent, Table, Upcasters, Value,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const EVENTS: u64 = 600;
/// What stands for the code of the projections.
const CODE: [u8; 32] = [7; 32];
/// Streams of each aggregate: few, so that events of one meet in one batch.
const STREAMS: u64 = 6;

/// Numbers by chance, the same for the same seed (`SplitMix64`).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        let length = u64::try_from(from.len()).unwrap();
        &from[usize::try_from(self.below(length)).unwrap()]
    }
}

/// Every event that was ever stored, with its aggregate: the golden files.
fn samples() -> Vec<(&'static str, NewEvent)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../aggregates/golden");
    let kinds = [
        ("user", aggregates::user::EVENT_TYPES),
        ("email_claim", aggregates::email_claim::EVENT_TYPES),
        ("session", aggregates::session::EVENT_TYPES),
        ("media", aggregates::media::EVENT_TYPES),
        ("media_job", aggregates::media_job::EVENT_TYPES),
        ("administrators", aggregates::administrators::EVENT_TYPES),
        ("service_key", aggregates::service_key::EVENT_TYPES),
        ("webhook_sink", aggregates::webhook_sink::EVENT_TYPES),
        (
            "forgotten_sessions",
            aggregates::forgotten_sessions::EVENT_TYPES,
        ),
    ];
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let sample = |file: &std::path::PathBuf| {
        let (event_type, version) = file.file_stem()?.to_str()?.split_once('@')?;
        let of = |types: &[&str]| types.contains(&event_type);
        let (kind, _) = kinds.iter().find(|(_, types)| of(types))?;
        let golden: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let event = NewEvent {
            event_type: event_type.to_owned(),
            event_version: version.to_owned(),
            payload: golden.to_string(),
        };
        Some((*kind, event))
    };
    let samples: Vec<_> = files.iter().filter_map(sample).collect();
    assert_eq!(
        samples.len(),
        files.len(),
        "every golden file is of an aggregate"
    );
    samples
}

/// Forgets sessions that the history may have, ended or not: whatever order things come in, the rows must be the same.
fn forgetting(chance: &mut Chance) -> String {
    let mut session = || Uuid::from_u128(u128::from(chance.below(STREAMS) + 1));
    let at = "2026-01-01T00:00:00Z";
    let data = json!({"sessions": [session(), session()], "ended_before": at, "at": at});
    json!({"EndedSessionsForgotten": data}).to_string()
}

/// Appends in groups that go in at once.
fn history(chance: &mut Chance) -> Vec<Vec<Append>> {
    let samples = samples();
    let mut versions: BTreeMap<(&str, u64), u64> = BTreeMap::new();
    let mut groups = vec![Vec::new()];
    for n in 0..EVENTS {
        let (kind, mut event) = chance.pick(&samples).clone();
        if kind == "forgotten_sessions" {
            event.payload = forgetting(chance);
        }
        let stream = chance.below(STREAMS);
        let version = versions.entry((kind, stream)).or_default();
        let append = Append {
            aggregate_type: kind.to_owned(),
            aggregate_id: Uuid::from_u128(u128::from(stream + 1)).to_string(),
            expected_version: *version,
            command_id: Uuid::from_u128(u128::from(n + 1)),
            events: vec![event],
            metadata: Metadata::default(),
        };
        *version += 1;
        groups.last_mut().unwrap().push(append);
        if chance.below(12) == 0 {
            groups.push(Vec::new());
        }
    }
    groups
}

async fn open(url: &str, inline: Vec<Arc<dyn Projection>>) -> (Database, Log) {
    let database = Database::open(url).await.unwrap();
    database.migrate().await.unwrap();
    // One moment for all: the rows must not depend on when they are made.
    let moment = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    let options = LogOptions {
        clock: Arc::new(move || moment),
        upcasters: Upcasters::new(aggregates::upcasters()),
        ..LogOptions::default()
    };
    let log = Log::open(database.clone(), inline, options).await.unwrap();
    (database, log)
}

async fn write(log: &Log, groups: &[Vec<Append>]) {
    for group in groups {
        let appends = group.iter().map(|append| log.append(append.clone()));
        futures::future::try_join_all(appends).await.unwrap();
    }
}

/// Follows the log to its head, stopped and begun anew at random moments.
async fn follow(
    database: &Database,
    log: &Log,
    projection: Arc<dyn Projection>,
    chance: &mut Chance,
) {
    let head = log.head().await.unwrap();
    loop {
        let tail = ProjectionTail::new(database.clone(), log.clone(), Arc::clone(&projection));
        let tail = tail.await.unwrap();
        let stop = CancellationToken::new();
        let patience = Duration::from_micros(chance.below(20_000));
        // Dropped in the middle of whatever it does, as a kill would.
        let _ = tokio::time::timeout(patience, tail.run(stop)).await;
        let again = ProjectionTail::new(database.clone(), log.clone(), Arc::clone(&projection));
        if again.await.unwrap().position() == head {
            return;
        }
    }
}

type Rows = BTreeMap<&'static str, Vec<String>>;

async fn rows(database: &Database, projections: &[Arc<dyn Projection>]) -> Rows {
    let mut rows = Rows::new();
    for table in projections
        .iter()
        .flat_map(|projection| projection.tables())
    {
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let sql = format!(
            "SELECT {} FROM {} ORDER BY {}",
            names.join(", "),
            table.name,
            names[0]
        );
        let found = database.query(&sql, &[]).await.unwrap();
        rows.insert(
            table.name,
            found.iter().map(|row| format!("{row:?}")).collect(),
        );
    }
    rows
}

fn all() -> Vec<Arc<dyn Projection>> {
    [projections::inline(), projections::tails()].concat()
}

/// Rebuilds, killed at random moments, until one is done; then what the log makes is compared once more.
async fn rebuild_at_last(
    database: &Database,
    log: &Log,
    projection: Arc<dyn Projection>,
    mode: Mode,
    chance: &mut Chance,
) {
    loop {
        let rebuilding = rebuild::rebuild(database, log, Arc::clone(&projection), mode, &CODE);
        let patience = Duration::from_micros(30_000 + chance.below(300_000));
        match tokio::time::timeout(patience, rebuilding).await {
            Ok(Ok(_)) => break,
            // The lock of one that was dropped on PostgreSQL ends when the database notices.
            Ok(Err(RebuildError::Running)) | Err(_) => {}
            Ok(Err(error)) => panic!("{}: {error}", projection.name()),
        }
    }
    let verified = rebuild::verify(database, log, projection, mode)
        .await
        .unwrap();
    assert_eq!(verified.different, 0, "{verified:?}");
    assert_eq!(verified.live, verified.log);
}

/// The law for one history: the tables that have rows in the end.
async fn holds(inline_url: &str, tail_url: &str, seed: u64) -> BTreeSet<&'static str> {
    let mut chance = Chance(seed);
    let groups = history(&mut chance);
    let (database, log) = open(inline_url, all()).await;
    let (before, after) = groups.split_at(groups.len() / 2);
    write(&log, before).await;
    // Half of the history comes while everything is rebuilt.
    let rebuilding = async {
        for projection in all() {
            rebuild_at_last(&database, &log, projection, Mode::Inline, &mut chance).await;
        }
    };
    tokio::join!(write(&log, after), rebuilding);
    let inline = rows(&database, &all()).await;
    let (database, log) = open(tail_url, Vec::new()).await;
    write(&log, &groups).await;
    for projection in all() {
        follow(&database, &log, projection, &mut chance).await;
    }
    assert_eq!(
        rows(&database, &all()).await,
        inline,
        "seed {seed}: followed"
    );
    for projection in all() {
        rebuild_at_last(&database, &log, projection, Mode::Tail, &mut chance).await;
    }
    assert_eq!(
        rows(&database, &all()).await,
        inline,
        "seed {seed}: rebuilt"
    );
    let full = inline.into_iter().filter(|(_, rows)| !rows.is_empty());
    full.map(|(table, _)| table).collect()
}

/// Over all histories no table stayed empty, or the law would say nothing of it.
fn all_were_full(full: &BTreeSet<&str>) {
    for table in all().iter().flat_map(|projection| projection.tables()) {
        assert!(full.contains(table.name), "{}", table.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_followed_and_rebuilt_are_the_same_on_sqlite() {
    let mut full = BTreeSet::new();
    for seed in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite://{}", folder.path().join(name).display());
        full.extend(holds(&url("inline.db"), &url("tail.db"), seed).await);
    }
    all_were_full(&full);
}

#[tokio::test(flavor = "multi_thread")]
async fn inline_followed_and_rebuilt_are_the_same_on_postgres() {
    let postgres = TestPostgres::shared().unwrap();
    let mut full = BTreeSet::new();
    for seed in 5..=8 {
        let inline = postgres.fresh_database().await.unwrap();
        let tail = postgres.fresh_database().await.unwrap();
        full.extend(holds(&inline, &tail, seed).await);
    }
    all_were_full(&full);
}

/// Where rows go by a value, a row must stand where its last change says: nothing may change a part of it.
#[test]
fn a_table_that_rows_leave_by_a_value_is_never_updated() {
    let (mut wide, mut updated) = (BTreeSet::new(), BTreeSet::new());
    // In its newest version.
    let newest = samples().into_iter();
    let newest: BTreeMap<_, _> = newest
        .map(|(kind, event)| (event.event_type.clone(), (kind, event)))
        .collect();
    for (n, (kind, event)) in newest.into_values().enumerate() {
        let recorded = RecordedEvent {
            position: n as u64 + 1,
            recorded_at: chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap(),
            aggregate_type: kind.to_owned(),
            aggregate_id: Uuid::from_u128(1).to_string(),
            sequence: 1,
            event_type: event.event_type,
            event_version: event.event_version,
            leaf_hash: [0; 32],
            event_id: Uuid::from_u128(n as u128 + 1),
            payload: event.payload,
            metadata: "{}".to_owned(),
        };
        let mut changes = Vec::new();
        for projection in all() {
            projection.project(&recorded, &mut changes).unwrap();
        }
        for change in changes {
            match change {
                Change::DeleteWhere { table, .. } => drop(wide.insert(table.name)),
                Change::Update { table, .. } => drop(updated.insert(table.name)),
                Change::Upsert { .. } | Change::Delete { .. } => {}
            }
        }
    }
    assert!(!wide.is_empty() && !updated.is_empty());
    let both: Vec<_> = wide.intersection(&updated).collect();
    assert!(both.is_empty(), "{both:?}");
}

/// A projection that breaks the law: what it writes depends on how many events it has seen in this process.
#[derive(Debug)]
struct Forgetful(std::sync::atomic::AtomicI64);

impl Projection for Forgetful {
    fn name(&self) -> &'static str {
        "email_claims"
    }

    fn tables(&self) -> &'static [&'static Table] {
        projections::email_claims::EmailClaims.tables()
    }

    fn project(
        &self,
        event: &RecordedEvent,
        changes: &mut Vec<Change>,
    ) -> Result<(), ProjectionError> {
        let seen = self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let row: Vec<Value> = vec![
            event.aggregate_id.as_str().into(),
            "".into(),
            "".into(),
            seen.into(),
        ];
        changes.push(Change::Upsert {
            table: self.tables()[0],
            row,
        });
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_law_catches_a_projection_that_remembers() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("law.db").display());
    let broken: Arc<dyn Projection> = Arc::new(Forgetful(0.into()));
    let (database, log) = open(&url, vec![Arc::clone(&broken)]).await;
    write(&log, &history(&mut Chance(9))).await;
    let inline = rows(&database, std::slice::from_ref(&broken)).await;
    let verified = rebuild::verify(&database, &log, Arc::clone(&broken), Mode::Inline).await;
    assert!(verified.unwrap().different > 0);
    let rebuilt = rebuild::rebuild(&database, &log, Arc::clone(&broken), Mode::Inline, &CODE).await;
    rebuilt.unwrap();
    assert_ne!(rows(&database, &[broken]).await, inline);
}
