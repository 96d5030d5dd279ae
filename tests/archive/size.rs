//! The database is as large as what lives, and a window: not as the log is long.

use std::process::Command;

use super::support::engines::{count, servers};
use super::{EMAIL, archive, busy, verified};

const ROUNDS: usize = 4;

/// The bytes that the log and the rest take, without what is free for new rows.
async fn size(url: &str) -> i64 {
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
        let (mut sizes, mut events) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            busy(&server, &url, 5, 200).await;
            archive(&server, u64::MAX >> 1).await;
            sizes.push(size(&url).await);
            events.push(count(&url, "SELECT COUNT(*) FROM events").await);
        }
        let lines = verified(&server, &url).await;
        let round: usize = lines.iter().map(String::len).sum::<usize>() / ROUNDS;
        // Before the first round there was no window of what the tails have not noted yet.
        for size in &sizes[2..] {
            let grown = size - sizes[1];
            assert!(grown < (round / 4) as i64, "{url}: {sizes:?} of {round}");
        }
        assert!(events[ROUNDS - 1] < 1000, "{url}: {events:?}");
    }
}
