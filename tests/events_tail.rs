//! `gatelog events tail` ends when the log that it has printed is not there any more.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Stdio;

use support::engines::{count, fill, lose_after, servers};
use support::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_fails_when_the_log_goes_back_also_when_other_events_come_in_its_place() {
    for refill in [0, 20] {
        for (mut server, url, _folder) in servers(&[]).await {
            server.kill();
            fill(&url, 10).await;
            let head = count(&url, "SELECT position FROM log_head").await;
            let mut command = server.command(&["events", "tail", "--after", "0"]);
            let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut tail = command.spawn().unwrap();
            let mut printed = BufReader::new(tail.stdout.take().unwrap()).lines();
            for _ in 0..head {
                printed.next().unwrap().unwrap();
            }
            lose_after(&url, u64::try_from(head).unwrap() - 5).await;
            if refill > 0 {
                fill(&url, refill).await;
            }
            let tail = std::sync::Mutex::new(tail);
            let ended = || tail.lock().unwrap().try_wait().unwrap();
            until("it ends", || ended().is_some()).await;
            assert!(!ended().unwrap().success());
            let mut tail = tail.into_inner().unwrap();
            tail.wait().unwrap();
            let mut said = String::new();
            let mut stderr = tail.stderr.take().unwrap();
            stderr.read_to_string(&mut said).unwrap();
            assert!(
                said.contains("set back") || said.contains("not there any more"),
                "{said}"
            );
        }
    }
}
