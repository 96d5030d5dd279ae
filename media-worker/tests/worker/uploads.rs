//! Inputs that do not arrive as ordered.

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use media_worker::api::{ErrorCode, JobSpec, JobState, Preset, Sha256Digest};
use media_worker::client::ClientError;

use crate::support::{Worker, clip, new_key, pieces, spec};

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
