//! kill -9 of the archiving at any moment, beside a server that goes on.

use super::support::engines::{count, servers};
use super::support::kill_amid;
use super::{EMAIL, archive, busy, verified};

const ROUNDS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn an_archiving_that_is_killed_loses_nothing() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let mut known = Vec::new();
        busy(&server, &url, 1, 900).await;
        // How long a whole one takes here, at this moment.
        let begun = std::time::Instant::now();
        archive(&server, 1_000_000).await;
        let whole = begun.elapsed();
        for round in 0..ROUNDS {
            busy(&server, &url, 1, 300).await;
            let archiving = || server.command(&["log", "archive", "--before", "1000000"]);
            // Everywhere from its first step to its last.
            let moment = whole.mul_f64(0.2 + 0.8 * f64::from(round) / f64::from(ROUNDS));
            let killed = kill_amid(archiving, moment);
            futures::future::join(busy(&server, &url, 1, 10), killed).await;
            let lines = verified(&server, &url).await;
            assert_eq!(lines[..known.len()], known, "{url}: round {round}");
            known = lines;
        }
        archive(&server, 1_000_000).await;
        let lines = verified(&server, &url).await;
        assert_eq!(lines[..known.len()], known, "{url}");
        let gaps = "SELECT COUNT(*) FROM log_segments a WHERE first_position <> 1 AND NOT EXISTS \
                    (SELECT 1 FROM log_segments b WHERE b.last_position = a.first_position - 1)";
        assert_eq!(count(&url, gaps).await, 0);
        let rest = "SELECT COUNT(*) FROM events e JOIN log_ended_streams s ON s.aggregate_type = e.aggregate_type \
                    AND s.aggregate_id = e.aggregate_id AND e.sequence <= s.version";
        assert_eq!(count(&url, rest).await, 0, "{url}: half of a stream");
    }
}
