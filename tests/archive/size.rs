//! The database is as large as what lives, and a window: not as the log is long.

use std::process::Command;

use super::support::engines::{count, servers};
use super::support::until_so;
use super::{EMAIL, archive, busy, verified};

const ROUNDS: usize = 6;
/// Events that may stay: what the policies have not noted as passed, what makes no whole frame, and what lives.
const WINDOW: i64 = 500 + 256 + 250;
/// What an event takes at most, with its places in the indexes.
pub const EVENT_BYTES: i64 = 1200;

/// The row that an ended stream leaves for good, without its place in the index.
const STREAM_BYTES: i64 = 120;
/// The row that 256 archived events leave until those around them, 65,536 in all, are archived.
const TILE_BYTES: i64 = 100;

/// The largest row of these on PostgreSQL.
async fn largest(url: &str, rows: &str) -> i64 {
    let sql = format!("SELECT MAX(pg_column_size(r.*))::bigint FROM {rows}");
    count(url, &sql).await
}

/// The bytes that the log and the rest take, without what is free for new rows.
pub async fn size(url: &str) -> i64 {
    if url.starts_with("sqlite") {
        let sql = "SELECT (SELECT page_count FROM pragma_page_count()) \
                   - (SELECT freelist_count FROM pragma_freelist_count())";
        return count(url, sql).await * 4096;
    }
    let vacuum = Command::new("psql")
        .args([url, "-qc", "VACUUM FULL"])
        .status();
    assert!(vacuum.unwrap().success());
    count(url, "SELECT SUM(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace").await
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_sessions_leave_the_database_as_large_as_it_was() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let empty = size(&url).await;
        let mut sizes = Vec::new();
        for _ in 0..ROUNDS {
            busy(&server, &url, 5, 200).await;
            archive(&server, u64::MAX >> 1).await;
            sizes.push(size(&url).await);
            let events = count(&url, "SELECT COUNT(*) FROM events").await;
            assert!(events < WINDOW, "{url}: {events}");
        }
        let archived = "level = 0 AND tile < (SELECT MAX(last_position) / 256 FROM log_segments)";
        let with_leaves =
            format!("SELECT COUNT(*) FROM log_tiles WHERE {archived} AND hashes IS NOT NULL");
        // What was not signed yet when it was archived goes with the next archiving.
        let are_gone = async || {
            archive(&server, u64::MAX >> 1).await;
            count(&url, &with_leaves).await == 0
        };
        until_so("archived leaves are gone", are_gone).await;
        if url.starts_with("postgres") {
            let stream = largest(&url, "log_ended_streams r").await;
            assert!((1..=STREAM_BYTES).contains(&stream), "{stream}");
            let tile = largest(&url, &format!("log_tiles r WHERE {archived}")).await;
            assert!((1..=TILE_BYTES).contains(&tile), "{tile}");
        }
        let lines = verified(&server, &url).await.len() as i64;
        assert!(lines > 5 * WINDOW, "{lines}");
        for size in &sizes {
            let grown = size - empty;
            assert!(grown < WINDOW * EVENT_BYTES, "{url}: {empty} {sizes:?}");
        }
    }
}
