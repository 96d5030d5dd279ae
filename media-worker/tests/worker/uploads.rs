//! Inputs that do not arrive as ordered.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use media_worker::api::{ErrorCode, JobSpec, JobState, Preset, Sha256Digest};
use media_worker::auth::{AUTH_HEADER, CONTENT_SHA256_HEADER, Keys, SignedParts, fresh_nonce};
use media_worker::client::ClientError;
use media_worker::clock::unix_seconds;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::{SECRET, Worker, clip, new_key, pieces, spec};

fn rejected(code: ErrorCode) -> ClientError {
    ClientError::Rejected { code }
}

#[tokio::test]
async fn another_length_or_digest_is_refused_and_the_right_one_still_taken() {
    let worker = Worker::start().await;
    let (key, input) = (new_key(), clip());
    worker
        .client
        .put_job(key, &spec(Preset::Poster, &input))
        .await
        .unwrap();
    let (size, sha256) = (input.len() as u64, Sha256Digest::of(&input));
    let mut damaged = input.clone();
    damaged[1000] ^= 1;
    let cases = [
        (
            size + 1,
            sha256,
            [&input[..], b"x"].concat(),
            ErrorCode::InputTooBig,
        ),
        (
            size - 1,
            sha256,
            input[1..].to_vec(),
            ErrorCode::LengthMismatch,
        ),
        (
            size,
            Sha256Digest::of(b"else"),
            input.clone(),
            ErrorCode::DigestMismatch,
        ),
        (size, sha256, damaged, ErrorCode::DigestMismatch),
    ];
    for (size, sha256, body, code) in cases {
        let sent = worker
            .client
            .put_input(key, size, sha256, pieces(&body))
            .await;
        assert_eq!(sent.err(), Some(rejected(code)));
        assert_eq!(
            worker.client.status(key).await.unwrap().state,
            JobState::AwaitingInput
        );
    }
    assert_eq!(
        worker.send(key, &input).await.unwrap().state,
        JobState::Ready
    );
}

#[tokio::test]
async fn a_job_without_its_input_cannot_start() {
    let worker = Worker::start().await;
    let key = new_key();
    worker
        .client
        .put_job(key, &spec(Preset::Poster, &clip()))
        .await
        .unwrap();
    let early = worker.client.start(key).await;
    assert_eq!(
        early,
        Err(ClientError::Conflict {
            code: ErrorCode::InputMissing
        })
    );
    let early = worker.client.outputs(key).await;
    assert_eq!(
        early,
        Err(ClientError::Conflict {
            code: ErrorCode::NotFinished
        })
    );
}

#[tokio::test]
async fn a_sender_that_stalls_is_cut_off() {
    let worker = Worker::start_with(&["--upload-window-seconds", "1"]).await;
    let (key, input) = (new_key(), clip());
    worker
        .client
        .put_job(key, &spec(Preset::Poster, &input))
        .await
        .unwrap();
    let first = stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(
        &input[..100],
    ))]);
    let stalling = first.chain(stream::pending());
    let sent = worker
        .client
        .put_input(key, input.len() as u64, Sha256Digest::of(&input), stalling);
    assert_eq!(sent.await.err(), Some(rejected(ErrorCode::UploadTooSlow)));
    assert_eq!(
        worker.send(key, &input).await.unwrap().state,
        JobState::Ready
    );
}

/// Sends an input to a worker that is stopped when the first piece was taken, then goes on.
async fn frozen(bytes: usize) {
    use nix::sys::signal::Signal;
    let worker = Worker::start().await;
    let (key, input) = (new_key(), vec![7; bytes]);
    let order = spec(Preset::Poster, &input);
    worker.client.put_job(key, &order).await.unwrap();
    let pid = i32::try_from(worker.process.id().unwrap()).unwrap();
    let mut is_stopped = false;
    let pieces: Vec<_> = input
        .chunks(64 * 1024)
        .map(|piece| Ok::<_, std::io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    let body = stream::iter(pieces).inspect(move |_| {
        if !std::mem::replace(&mut is_stopped, true) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        }
    });
    let (size, sha256) = (bytes as u64, Sha256Digest::of(&input));
    let sent = worker.client.put_input(key, size, sha256, body);
    let sent = tokio::time::timeout(std::time::Duration::from_secs(45), sent).await;
    assert_eq!(sent.unwrap().err(), Some(ClientError::Stalled), "{bytes}");
    crate::support::signal(&worker.process, Signal::SIGCONT);
    while worker.client.status(key).await.unwrap().state == JobState::Receiving {
        tokio::task::yield_now().await;
    }
    let sent = worker.send(key, &input).await.unwrap();
    assert_eq!(sent.state, JobState::Ready, "{bytes}");
}

/// Of a large input it stops taking; a small one is in the socket's buffer, and only the answer is missing.
#[tokio::test]
async fn a_worker_that_is_frozen_under_an_input_holds_its_sender_up_for_a_while_only() {
    tokio::join!(frozen(8 * 1024 * 1024), frozen(1000));
}

#[tokio::test]
async fn a_sender_that_goes_away_can_come_back() {
    let worker = Worker::start().await;
    let (key, input) = (new_key(), clip());
    worker
        .client
        .put_job(key, &spec(Preset::Poster, &input))
        .await
        .unwrap();
    let half = Ok(Bytes::copy_from_slice(&input[..input.len() / 2]));
    let breaking = stream::iter([half, Err(std::io::Error::other("unplugged"))]);
    let (size, sha256) = (input.len() as u64, Sha256Digest::of(&input));
    let sent = worker.client.put_input(key, size, sha256, breaking).await;
    assert_eq!(sent.err(), Some(ClientError::Unreachable));
    worker
        .wait_for(key, |event| {
            // The second time, after the interruption.
            matches!(
                event,
                media_worker::api::EventBody::State {
                    state: JobState::Receiving
                }
            )
        })
        .await;
    while worker.client.status(key).await.unwrap().state == JobState::Receiving {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        worker.send(key, &input).await.unwrap().state,
        JobState::Ready
    );
}

#[tokio::test]
async fn only_one_sender_at_a_time() {
    let worker = Worker::start().await;
    let (key, input) = (new_key(), clip());
    worker
        .client
        .put_job(key, &spec(Preset::Poster, &input))
        .await
        .unwrap();
    let (size, sha256) = (input.len() as u64, Sha256Digest::of(&input));
    let endless = stream::pending::<Result<Bytes, std::io::Error>>();
    let first = worker.client.put_input(key, size, sha256, endless);
    let second = async {
        let receiving = JobState::Receiving;
        worker
            .wait_for(key, |event| {
                matches!(event, media_worker::api::EventBody::State { state } if *state == receiving)
            })
            .await;
        let second = worker.send(key, &input).await;
        let cancelled = worker.client.cancel(key).await.unwrap();
        (second, cancelled)
    };
    let (first, (second, cancelled)) = tokio::join!(first, second);
    let conflict = |code| Some(ClientError::Conflict { code });
    assert_eq!(second.err(), conflict(ErrorCode::InputInProgress));
    assert_eq!(
        first.err(),
        conflict(ErrorCode::AlreadyFinished),
        "cancelled while receiving"
    );
    assert_eq!(cancelled.state, JobState::Cancelled);
    assert_eq!(worker.job_folders(), Vec::<String>::new());
}

#[tokio::test]
async fn an_order_out_of_range_is_refused() {
    let worker = Worker::start().await;
    let good = spec(Preset::Metadata, &clip());
    let seek = media_worker::api::Params { seek_ms: Some(1) };
    let cases = [
        (
            JobSpec {
                input_size: 2 * 1024 * 1024 * 1024 + 1,
                ..good.clone()
            },
            ErrorCode::InputTooBig,
        ),
        (
            JobSpec {
                input_size: 0,
                ..good.clone()
            },
            ErrorCode::InvalidSpec,
        ),
        (
            JobSpec {
                deadline_ms: 0,
                ..good.clone()
            },
            ErrorCode::InvalidSpec,
        ),
        (
            JobSpec {
                deadline_ms: u64::MAX,
                ..good.clone()
            },
            ErrorCode::InvalidSpec,
        ),
        (
            JobSpec {
                preset_version: 2,
                ..good.clone()
            },
            ErrorCode::InvalidSpec,
        ),
        (
            JobSpec {
                params: seek,
                ..good.clone()
            },
            ErrorCode::InvalidSpec,
        ),
    ];
    for (order, code) in cases {
        let refused = worker.client.put_job(new_key(), &order).await;
        assert_eq!(refused.err(), Some(rejected(code)), "{order:?}");
    }
}

/// Sends the head of an upload that waits to be asked for its body; what the worker says to that.
async fn announce(worker: &Worker, path: &str, input: &[u8], length: u64) -> (UnixStream, String) {
    let parts = SignedParts {
        method: "PUT",
        path_and_query: path,
        body_sha256: Sha256Digest::of(input),
        content_length: length,
    };
    let keys = Keys::parse(SECRET).unwrap();
    let signature = parts.sign(&keys, unix_seconds(), &fresh_nonce().unwrap());
    let digest = parts.body_sha256;
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: worker\r\ncontent-length: {length}\r\nexpect: 100-continue\r\n\
         {CONTENT_SHA256_HEADER}: {digest}\r\n{AUTH_HEADER}: {signature}\r\n\r\n"
    );
    let mut stream = UnixStream::connect(&worker.socket).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let line = read_line(&mut stream).await;
    (stream, line)
}

async fn read_line(stream: &mut UnixStream) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test]
async fn a_sender_that_waits_is_asked_for_its_body_only_if_it_is_wanted() {
    let worker = Worker::start().await;
    let (key, input) = (new_key(), clip());
    let order = spec(Preset::Poster, &input);
    worker.client.put_job(key, &order).await.unwrap();
    let (path, size) = (format!("/v1/jobs/{key}/input"), input.len() as u64);
    let unknown = format!("/v1/jobs/{}/input", new_key());
    for (path, length, expected) in [
        (&path, size + 1, "HTTP/1.1 413 "),
        (&path, size - 1, "HTTP/1.1 422 "),
        (&unknown, size, "HTTP/1.1 404 "),
    ] {
        let (_, line) = announce(&worker, path, &input, length).await;
        assert!(line.starts_with(expected), "{line}");
    }
    let (mut stream, line) = announce(&worker, &path, &input, size).await;
    assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
    assert_eq!(read_line(&mut stream).await, "\r\n");
    stream.write_all(&input).await.unwrap();
    assert_eq!(read_line(&mut stream).await, "HTTP/1.1 200 OK\r\n");
    let (_, line) = announce(&worker, &path, &input, size).await;
    assert_eq!(line, "HTTP/1.1 200 OK\r\n", "it is here already");
}
