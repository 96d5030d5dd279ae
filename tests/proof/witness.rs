//! A witness over HTTP, which checks consistency itself: it signs each tree that goes on from the one before, and
//! refuses a log that was forked.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventlog::{Hash, verify_consistency};
use gatelog::notary::note::{KeyKind, Note, SigningKey, VerifierKey};
use tokio::net::TcpListener;

use crate::support::{PASSWORD, Server, until};
use crate::{Audited, register, run};

/// What a witness remembers of the one log that it sees.
struct Witness {
    key: SigningKey,
    /// Trusted when first seen.
    seen: Mutex<Option<(u64, Hash)>>,
    refusals: Mutex<Vec<StatusCode>>,
}

impl Witness {
    fn judge(&self, body: &str) -> (StatusCode, String) {
        let (head, note) = body.split_once("\n\n").unwrap();
        let mut head = head.lines();
        let old: u64 = head
            .next()
            .unwrap()
            .strip_prefix("old ")
            .unwrap()
            .parse()
            .unwrap();
        let hash = |line: &str| -> Hash { STANDARD.decode(line).unwrap().try_into().unwrap() };
        let proof: Vec<Hash> = head.map(hash).collect();
        let text = Note::parse(note).unwrap().text;
        let lines: Vec<&str> = text.lines().collect();
        let (size, root) = (lines[1].parse::<u64>().unwrap(), hash(lines[2]));
        let mut seen = self.seen.lock().unwrap();
        let (seen_size, seen_root) = seen.unwrap_or((0, [0; 32]));
        if old != seen_size {
            return (StatusCode::CONFLICT, format!("{seen_size}\n"));
        }
        let goes_on = verify_consistency((old, &seen_root), (size, &root), &proof);
        if !goes_on {
            return (StatusCode::UNPROCESSABLE_ENTITY, String::new());
        }
        *seen = Some((size, root));
        (StatusCode::OK, self.key.cosign(&text, 1_800_000_000))
    }
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> (StatusCode, String) {
    let answer = witness.judge(&body);
    if answer.0 != StatusCode::OK {
        witness.refusals.lock().unwrap().push(answer.0);
    }
    answer
}

/// A witness, and its URL.
async fn start() -> (Arc<Witness>, String) {
    let witness = Arc::new(Witness {
        key: SigningKey::new("witness.example/w", KeyKind::Cosignature, &[9; 32]).unwrap(),
        seen: Mutex::default(),
        refusals: Mutex::default(),
    });
    let router = Router::new()
        .route("/prefix/add-checkpoint", post(add_checkpoint))
        .with_state(Arc::clone(&witness));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/prefix/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (witness, url)
}

/// Waits until the witness has signed a tree of at least this size, and holds its signature against its key.
async fn cosigned(audited: &Audited, key: &VerifierKey, size: u64) {
    let folder = audited.server.data.join("log/checkpoint");
    let is_seen = || {
        let note = std::fs::read_to_string(&folder).unwrap_or_default();
        note.contains("witness.example/w")
            && note.lines().nth(1).unwrap().parse::<u64>().unwrap() >= size
    };
    until("a cosigned checkpoint is a file", is_seen).await;
    let note = audited.text("/v1/audit/log/checkpoint?cosigned=true").await;
    assert!(key.has_signed(&Note::parse(&note).unwrap()), "{note}");
    let log: VerifierKey = audited.vkey.parse().unwrap();
    assert!(log.has_signed(&Note::parse(&note).unwrap()), "{note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_signs_a_log_that_grows_and_refuses_one_that_was_forked() {
    let (witness, url) = start().await;
    let key = witness.key.public().to_string();
    let settings = [("LOG_WITNESS_URL", url.as_str()), ("LOG_WITNESS_KEY", &key)];
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &settings);
    server.launch().await;
    let mut audited = Audited::of(server, String::new(), folder).await;
    let key = witness.key.public().clone();
    cosigned(&audited, &key, 1).await;
    let first = register(&audited.server, "bob").await;
    cosigned(&audited, &key, first).await;
    // A server that starts asks the witness what it saw last.
    audited.server.kill();
    audited.server.launch().await;
    let second = register(&audited.server, "cyd").await;
    cosigned(&audited, &key, second).await;
    audited.verify_live(&audited.vkey).is_good();
    assert!(
        witness
            .refusals
            .lock()
            .unwrap()
            .contains(&StatusCode::CONFLICT)
    );
    // The witness has seen another history of the same length.
    let (size, _) = witness.seen.lock().unwrap().unwrap();
    *witness.seen.lock().unwrap() = Some((size, [7; 32]));
    register(&audited.server, "dan").await;
    let refuses = || {
        audited
            .server
            .log()
            .contains("the witness refuses the checkpoint")
    };
    until("the server says so", refuses).await;
    let (_, ready) = audited.server.readyz().await;
    assert_eq!(ready["ready"], true);
    let failure = ready["log_checkpoint"]["failure"].as_str().unwrap();
    assert!(
        failure.contains("the witness refuses the checkpoint"),
        "{ready}"
    );
    assert!(
        witness
            .refusals
            .lock()
            .unwrap()
            .contains(&StatusCode::UNPROCESSABLE_ENTITY)
    );
    // The log takes events, and is signed no more.
    register(&audited.server, "fay").await;
    let checkpoint = "/v1/audit/log/checkpoint";
    let answer = audited.server.get(checkpoint, &audited.auditor).await;
    assert_eq!(answer.status(), 503);
}

/// A server that this witness sees, in a folder of its own.
async fn seen_by(witness: &Witness, url: &str) -> Audited {
    let key = witness.key.public().to_string();
    let settings = [("LOG_WITNESS_URL", url), ("LOG_WITNESS_KEY", &key)];
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::prepare(folder.path(), &settings);
    server.launch().await;
    Audited::of(server, String::new(), folder).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_signed_once_the_witness_has_seen_more_until_it_signs_again_or_somebody_answers()
{
    let (witness, url) = start().await;
    let mut audited = seen_by(&witness, &url).await;
    let key = witness.key.public().clone();
    let first = register(&audited.server, "bob").await;
    cosigned(&audited, &key, first).await;
    let (seen, root) = witness.seen.lock().unwrap().unwrap();
    *witness.seen.lock().unwrap() = Some((seen, [7; 32]));
    register(&audited.server, "cyd").await;
    let store = audited.server.data.join("blobs/signed");
    let is_latched = || {
        let keys = std::fs::read_dir(&store).into_iter().flatten().flatten();
        let mut names = keys.flat_map(|key| std::fs::read_dir(key.path()).unwrap());
        names.any(|name| {
            let name = name.unwrap().file_name();
            name.to_str().unwrap().starts_with("refused-")
        })
    };
    until("the latch is closed", is_latched).await;
    // Also without that witness, and before it has been asked.
    audited.server.kill();
    let refused = "the witness refuses the checkpoint";
    let unseen = Server::prepare(&audited.server.data, &[]);
    let grown = [
        "admin",
        "create",
        "--email",
        "dan@example.com",
        "--role",
        "auditor",
    ];
    let mut grow = unseen
        .command(&grown)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(grow.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(grow.wait().unwrap().success());
    let (code, said) = run(&mut unseen.command(&["log", "checkpoint"]));
    assert!(code == 1 && said.contains(refused), "{said}");
    // The events were there after all: a witness that signs what was signed last lets the log go on.
    *witness.seen.lock().unwrap() = Some((0, root));
    audited.server.launch().await;
    until("the latch is opened", || !is_latched()).await;
    let second = register(&audited.server, "eli").await;
    cosigned(&audited, &key, second).await;
    // And when they are gone for good, a new log begins.
    let (seen, _) = witness.seen.lock().unwrap().unwrap();
    *witness.seen.lock().unwrap() = Some((seen + 1_000, [7; 32]));
    register(&audited.server, "fay").await;
    until("the latch is closed", is_latched).await;
    audited.server.kill();
    let (code, said) = run(&mut unseen.command(&["log", "accept-rollback", "--reason", "lost"]));
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(&mut unseen.command(&["log", "checkpoint"]));
    assert!(code == 0 && said.contains("/2\n"), "{said}");
}
