//! The live stream of the log: every event once and in order while others write, going on after a cut, filters, and
//! what ends a stream.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use eventlog::testing::TestPostgres;
use futures::future::join_all;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::engines::{fill, servers};
use support::{PATIENCE, Server, access_token};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const WRITERS: usize = 4;
const LIVE: &str = "/v1/audit/events/live";
/// As many as a server lets in.
const STREAMS: usize = 128;
/// What must happen without waiting for a time-out of the server, of which the shortest is 20 s.
const SOON: Duration = Duration::from_secs(12);

/// A server on each engine, with the token of an auditor.
async fn on_both_engines() -> Vec<(Server, String)> {
    on_both_engines_with(&[]).await
}

/// As [`on_both_engines`], with further settings.
async fn on_both_engines_with(settings: &[(&str, &str)]) -> Vec<(Server, String)> {
    let postgres = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let on_postgres = [settings, &[("DATABASE_URL", postgres.as_str())]].concat();
    let servers = [
        Server::start_with(settings).await,
        Server::start_with(&on_postgres).await,
    ];
    let mut audited = Vec::new();
    for server in servers {
        let auditor = server.auditor("eve@example.org").await;
        audited.push((server, auditor));
    }
    audited
}

/// What one client has of a stream.
struct Live {
    response: Response,
    received: Vec<u8>,
}

impl Live {
    async fn open(server: &Server, token: &str, query: &str, last: Option<u64>) -> Self {
        let request = server.request(Method::GET, &format!("{LIVE}{query}"));
        let mut request = request.bearer_auth(token);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{query}");
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            response,
            received: Vec::new(),
        }
    }

    /// The next event's identifier and data; nothing when the stream has ended as it should.
    async fn next(&mut self) -> Option<(u64, String)> {
        loop {
            if let Some(end) = self.received.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.received.drain(..end + 2).collect();
                return Some(parse(std::str::from_utf8(&block).unwrap()));
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            self.received.extend(chunk.await.unwrap().unwrap()?);
        }
    }

    /// Everything up to a position.
    async fn up_to(&mut self, position: u64) -> Vec<(u64, String)> {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(last, _)| *last < position) {
            seen.push(self.next().await.unwrap());
        }
        seen
    }
}

/// A block of the stream with an event (HTML, section 9.2.6).
fn parse(block: &str) -> (u64, String) {
    let field = |name: &str| {
        let mut values = block.lines().filter_map(|line| line.strip_prefix(name));
        let value = values.next().unwrap();
        assert!(values.next().is_none(), "{block:?}");
        value.to_owned()
    };
    (field("id: ").parse().unwrap(), field("data: "))
}

/// The exported lines with their positions, and the last position.
async fn exported(server: &Server, token: &str, query: &str) -> Vec<(u64, String)> {
    let request = server.request(Method::GET, &format!("/v1/audit/events{query}"));
    let request = request.header("accept", "application/x-ndjson");
    let answer = request.bearer_auth(token).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let with_position = |line: &str| {
        let event: Value = serde_json::from_str(line).unwrap();
        (event["position"].as_u64().unwrap(), line.to_owned())
    };
    text.lines().map(with_position).collect()
}

/// A person who refreshes a session so many times, an event each.
async fn write(server: &Server, email: String, times: usize) {
    server.register(&email).await;
    let mut signed_in = server.sign_in(&email).await;
    for _ in 0..times {
        let body = json!({"refresh_token": signed_in["refresh_token"]});
        let answer = server.post("/v1/tokens/refresh", "", &body).await;
        assert_eq!(answer.status(), 200);
        signed_in = answer.json().await.unwrap();
    }
}

async fn write_at_once(server: &Server, name: &str, times: usize) {
    let writers = (0..WRITERS).map(|n| write(server, format!("{name}-{n}@example.com"), times));
    join_all(writers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_shows_every_event_once_and_in_order_while_four_write() {
    for (server, auditor) in on_both_engines().await {
        write(&server, "ada@example.com".to_owned(), 150).await;
        let mut live = Live::open(&server, &auditor, "", None).await;
        let expected = async {
            write_at_once(&server, "writer", 60).await;
            exported(&server, &auditor, "").await
        };
        // More than one step of the catching up, and the writers' own.
        let least = 150 + WRITERS as u64 * 60;
        let (mut seen, expected) = tokio::join!(live.up_to(least), expected);
        let (last, _) = *expected.last().as_ref().unwrap();
        if seen.len() < expected.len() {
            seen.extend(live.up_to(*last).await);
        }
        assert!(*last > least);
        assert!(seen.iter().map(|(id, _)| *id).eq(1..=seen.len() as u64));
        assert_eq!(seen[..expected.len()], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_cut_off_goes_on_behind_the_last_event_it_had() {
    for (server, auditor) in on_both_engines().await {
        write(&server, "ada@example.com".to_owned(), 10).await;
        let mut live = Live::open(&server, &auditor, "?after=2", None).await;
        let mut seen = live.up_to(7).await;
        drop(live);
        write(&server, "bob@example.com".to_owned(), 10).await;
        let expected = exported(&server, &auditor, "?after=2").await;
        let (last, _) = *expected.last().as_ref().unwrap();
        let mut live = Live::open(&server, &auditor, "?after=2", Some(7)).await;
        seen.extend(live.up_to(*last).await);
        assert_eq!(seen, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_takes_the_same_events_from_the_stream_as_from_the_list() {
    for (server, auditor) in on_both_engines().await {
        write(&server, "ada@example.com".to_owned(), 5).await;
        let all = exported(&server, &auditor, "").await;
        let started = all
            .iter()
            .rfind(|(_, line)| line.contains("SessionStarted"));
        let event: Value = serde_json::from_str(&started.unwrap().1).unwrap();
        let subject = event["subject"].as_str().unwrap();
        for query in [
            "?type=SessionStarted".to_owned(),
            format!("?subject={subject}"),
            format!("?stream=session/{subject}&type=TokensIssued"),
            format!("?actor={}", event["actor"].as_str().unwrap()),
            format!("?since={}", event["time"].as_str().unwrap()),
        ] {
            let expected = exported(&server, &auditor, &query).await;
            assert!(
                !expected.is_empty() && expected.len() < all.len(),
                "{query}"
            );
            let mut live = Live::open(&server, &auditor, &query, None).await;
            let last = expected.last().unwrap().0;
            assert_eq!(live.up_to(last).await, expected, "{query}");
        }
        let mut live = Live::open(&server, &auditor, "?type=UserRegistered", None).await;
        let before = exported(&server, &auditor, "?type=UserRegistered").await;
        write_at_once(&server, "late", 3).await;
        let after = exported(&server, &auditor, "?type=UserRegistered").await;
        assert_eq!(after.len(), before.len() + WRITERS);
        assert_eq!(live.up_to(after.last().unwrap().0).await, after);
    }
}

/// A client that asks for the stream and takes nothing yet, with next to no room for what comes.
async fn idle_reader(server: &Server, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let address = server.base.strip_prefix("http://").unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let request =
        format!("GET {LIVE} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_take_nothing_stop_no_writer_and_miss_nothing() {
    // However long the writers take: the readers are not to be cut off.
    for (server, auditor) in on_both_engines_with(&[("CLIENT_TIMEOUT", "3600")]).await {
        let mut readers = Vec::new();
        for _ in 0..8 {
            readers.push(idle_reader(&server, &auditor).await);
        }
        write_at_once(&server, "writer", 200).await;
        let expected = exported(&server, &auditor, "").await;
        assert!(expected.len() > WRITERS * 200);
        let last = format!("\nid: {}\n", expected.last().unwrap().0);
        let mut text = Vec::new();
        let mut reader = readers.pop().unwrap();
        while !String::from_utf8_lossy(&text).contains(&last) {
            let read = tokio::time::timeout(PATIENCE, reader.read_buf(&mut text));
            assert_ne!(read.await.unwrap().unwrap(), 0);
        }
        let text = String::from_utf8_lossy(&text);
        let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
        let ids: Vec<u64> = ids.map(|id| id.parse().unwrap()).collect();
        assert!(ids.iter().copied().eq(1..=ids.len() as u64), "{ids:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_token() {
    for (server, auditor) in on_both_engines().await {
        let other = access_token(&server.sign_in("eve@example.org").await);
        let mut live = Live::open(&server, &auditor, "", None).await;
        let mut stays = Live::open(&server, &other, "", None).await;
        let ended = server.delete("/v1/sessions/current", &auditor).await;
        assert_eq!(ended.status(), 204);
        let to_the_end = async { while live.next().await.is_some() {} };
        tokio::time::timeout(SOON, to_the_end).await.unwrap();
        write(&server, "ada@example.com".to_owned(), 1).await;
        let last = exported(&server, &other, "").await.last().unwrap().0;
        assert_eq!(stays.up_to(last).await.len() as u64, last);
        let again = server.get(LIVE, &auditor).await;
        assert_eq!(again.status(), 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_server_stops() {
    for (mut server, auditor) in on_both_engines().await {
        let mut live = Live::open(&server, &auditor, "", None).await;
        assert!(live.next().await.is_some());
        let process = Pid::from_raw(server.process_id().cast_signed());
        kill(process, Signal::SIGTERM).unwrap();
        let to_the_end = async { while live.next().await.is_some() {} };
        tokio::time::timeout(SOON, to_the_end).await.unwrap();
        assert!(server.wait().success());
        assert!(!server.log().contains("cut off"), "{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_too_many_is_refused_until_another_ends() {
    let server = Server::start().await;
    let auditor = server.auditor("eve@example.org").await;
    let open = (0..STREAMS).map(|_| Live::open(&server, &auditor, "", None));
    let mut streams = join_all(open).await;
    let refused = server.get(LIVE, &auditor).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    drop(streams.pop());
    let freed = async {
        while server.get(LIVE, &auditor).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, freed).await.unwrap();
}

/// The blocks of a stream up to the one with this identifier.
async fn blocks(response: &mut Response, last: u64) -> Vec<String> {
    let mut text = String::new();
    let end = format!("id: {last}\n");
    while !text
        .split_inclusive("\n\n")
        .any(|block| block.contains(&end) && block.ends_with("\n\n"))
    {
        let chunk = tokio::time::timeout(PATIENCE, response.chunk());
        text.push_str(std::str::from_utf8(&chunk.await.unwrap().unwrap().unwrap()).unwrap());
    }
    let blocks = text
        .split_terminator("\n\n")
        .filter(|block| !block.starts_with(':'));
    blocks.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_whose_filter_takes_little_says_how_far_it_has_looked() {
    for (mut server, url, _folder) in servers(&[]).await {
        let auditor = server.auditor("eve@example.org").await;
        server.kill();
        fill(&url, 45_000).await;
        server.launch().await;
        server.register("bob@example.com").await;
        let found = exported(&server, &auditor, "?type=UserRegistered").await;
        let (first, last) = (found[0].0, found[1].0);
        assert!(last > 45_000, "{last}");
        let live = format!("{LIVE}?type=UserRegistered");
        let mut response = server.get(&live, &auditor).await;
        let seen = blocks(&mut response, last).await;
        // A step that finds something says how far by that.
        let looked: Vec<u64> = (2..=last / 20_000).map(|n| n * 20_000).collect();
        let ids: Vec<String> = looked.iter().map(|id| format!("id: {id}")).collect();
        let events = [(first, &found[0].1), (last, &found[1].1)]
            .map(|(id, line)| format!("id: {id}\ndata: {line}"));
        let expected = [&events[..1], &ids[..], &events[1..]].concat();
        assert_eq!(seen, expected, "{url}");
        // Who comes back with it goes on there.
        let mut live = Live::open(
            &server,
            &auditor,
            "?type=UserRegistered",
            looked.last().copied(),
        )
        .await;
        assert_eq!(live.next().await.unwrap(), found[1]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_read_more_than_there_is_is_told_so() {
    for (server, _) in support::on_both_engines(&[]).await {
        let auditor = server.auditor("eve@example.org").await;
        let head = support::log::settled_head(&server, &auditor).await;
        for beyond in [head + 1, 9_223_372_036_854_775_807] {
            for (accept, path) in [
                ("application/json", format!("?after={beyond}")),
                (
                    "application/json",
                    format!("?after={beyond}&type=UserErased&since=2026-01-01T00:00:00Z"),
                ),
                ("application/x-ndjson", format!("?after={beyond}")),
                ("text/event-stream", format!("/live?after={beyond}")),
            ] {
                let path = format!("/v1/audit/events{path}");
                let request = server.request(Method::GET, &path).bearer_auth(&auditor);
                let answer = request.header("accept", accept).send().await.unwrap();
                let told = support::engines::outcome(answer).await;
                assert_eq!(
                    told,
                    support::engines::refused(409, "position-beyond-head"),
                    "{path}"
                );
            }
            let request = server.request(Method::GET, "/v1/audit/events/live?after=0");
            let request = request
                .bearer_auth(&auditor)
                .header("last-event-id", beyond);
            let told = support::engines::outcome(request.send().await.unwrap()).await;
            assert_eq!(told, support::engines::refused(409, "position-beyond-head"));
            for verb in ["tail", "export"] {
                let after = format!("--after={beyond}");
                let ran = server.command(&["events", verb, &after]).output().unwrap();
                let said = String::from_utf8(ran.stderr).unwrap();
                assert!(
                    !ran.status.success() && said.contains("it was set back"),
                    "{said}"
                );
            }
        }
        let live = format!("/v1/audit/events/live?after={head}");
        assert_eq!(server.get(&live, &auditor).await.status(), 200);
        let page: Value = server
            .get_json(&format!("/v1/audit/events?after={head}"), &auditor)
            .await;
        assert_eq!(page["items"], json!([]));
    }
}

#[tokio::test]
async fn a_start_that_is_no_position_is_refused() {
    let server = Server::start().await;
    let auditor = server.auditor("eve@example.org").await;
    for query in [
        "after=-1",
        "after=9223372036854775808",
        "limit=5",
        "type=a%00b",
        "actor=a%00b",
        "since=soon",
        "until=2026-01-01T00:00:00Z",
    ] {
        let answer = server.get(&format!("{LIVE}?{query}"), &auditor).await;
        assert_eq!(answer.status(), 400, "{query}");
    }
    for last in ["", "x", "-1", "9223372036854775808"] {
        let request = server.request(Method::GET, LIVE).bearer_auth(&auditor);
        let answer = request.header("last-event-id", last).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{last:?}");
    }
}

/// How its answer begins, which stays where it is.
async fn status(reader: &TcpStream) -> String {
    let mut head = [0; "HTTP/1.1 200".len()];
    while reader.peek(&mut head).await.unwrap() < head.len() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    String::from_utf8(head.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_never_read_give_their_places_back() {
    let server = Server::start_with(&[("CLIENT_TIMEOUT", "4")]).await;
    let auditor = server.auditor("eve@example.com").await;
    write(&server, "ada@example.com".to_owned(), 60).await;
    let open = (0..STREAMS).map(|_| idle_reader(&server, &auditor));
    let readers = join_all(open).await;
    // Each has its place when its answer has begun, which is seen without taking any of it.
    let answered = join_all(readers.iter().map(status));
    let answered = tokio::time::timeout(PATIENCE, answered).await.unwrap();
    assert_eq!(answered, ["HTTP/1.1 200"; STREAMS]);
    let freed = async {
        while server.get(LIVE, &auditor).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, freed).await.unwrap();
    assert_eq!(
        readers.len(),
        STREAMS,
        "nobody has gone of their own accord"
    );
}
