//! What the server calls: the blob store, the media worker, the mail server.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use media_worker::api::Health;
use media_worker::auth::Keys;
use media_worker::client::{ClientError, WorkerClient};
use media_worker::endpoint::Endpoint;
use tokio::time::timeout;

use super::finding::Finding;
use crate::config::Config;
use crate::mail::transport::Transport;
use crate::ports::blobs::{BlobError, Blobs};
use crate::ports::ids;

const PATIENCE: Duration = Duration::from_secs(10);
const LATE: &str = "it does not answer in time";

/// Writes an object, reads it and removes it.
pub(super) async fn blobs(config: &Config) -> Finding {
    const NAME: &str = "blob store";
    let advice = "see that STORAGE_URL is right, and that the server's user may write there";
    match timeout(PATIENCE, round_trip(config)).await {
        Ok(Ok(true)) => Finding::ok(NAME, "an object was written, read and removed".to_owned()),
        Ok(Ok(false)) => {
            let detail = "it gives back something else than was written".to_owned();
            Finding::fail(NAME, detail, advice)
        }
        Ok(Err(error)) => Finding::fail(NAME, error.to_string(), advice),
        Err(_) => Finding::fail(NAME, LATE.to_owned(), advice),
    }
}

async fn round_trip(config: &Config) -> Result<bool, BlobError> {
    let store = Blobs::open(&config.media.storage)?;
    let object = format!("doctor/{}", ids::new_id());
    let content = Bytes::from_static(b"gatelog doctor");
    let limit = content.len() as u64;
    let body = futures::stream::once(async { Ok::<_, Infallible>(content.clone()) });
    store.put(&object, body, limit).await?;
    let read = async {
        let pieces: Vec<_> = store.get(&object, None).await?.collect().await;
        let mut whole = Vec::new();
        for piece in pieces {
            whole.extend_from_slice(&piece?);
        }
        Ok::<_, BlobError>(whole)
    };
    let read = read.await;
    store.delete(&object).await?;
    Ok(read? == content)
}

/// Whether each worker answers, and behind which layers it runs what it is given.
pub(super) async fn workers(config: &Config) -> Vec<Finding> {
    let workers = config.media.worker_endpoints.iter();
    futures::future::join_all(workers.map(|endpoint| worker(config, endpoint))).await
}

async fn worker(config: &Config, endpoint: &Endpoint) -> Finding {
    const NAME: &str = "media worker";
    let keys = Keys::parse(config.media.worker_secret.expose()).ok();
    let client = keys.and_then(|keys| WorkerClient::new(endpoint, keys).ok());
    let Some(client) = client else {
        let advice = "see MEDIA_WORKER_URL and MEDIA_WORKER_SECRET";
        return Finding::fail(
            NAME,
            format!("{endpoint}: its settings are of no use"),
            advice,
        );
    };
    let away = "start gatelog-media-worker and see MEDIA_WORKER_URL: jobs wait until one answers";
    match timeout(PATIENCE, client.health()).await {
        Ok(Ok(health)) => layers(endpoint, &health, config.media.demands_sandbox),
        Ok(Err(error @ (ClientError::Unreachable | ClientError::Busy { .. }))) => {
            Finding::warn(NAME, format!("{endpoint}: {error}"), away)
        }
        Ok(Err(error)) => {
            let advice = "give both the same MEDIA_WORKER_SECRET, and versions that fit";
            Finding::fail(NAME, format!("{endpoint}: {error}"), advice)
        }
        Err(_) => Finding::warn(NAME, format!("{endpoint}: {LATE}"), away),
    }
}

fn layers(endpoint: &Endpoint, health: &Health, demands_sandbox: bool) -> Finding {
    const NAME: &str = "media worker";
    let sandbox = health.sandbox;
    let has = |is: bool, name: &str| format!("{name} {}", if is { "yes" } else { "no" });
    let ffmpeg = health.ffmpeg_version.split(" Copyright").next();
    let detail = format!(
        "{endpoint}: {}; Landlock ABI {}, {}, {}, {}, {}, {}",
        ffmpeg.unwrap_or_default(),
        sandbox.landlock_abi,
        has(sandbox.seccomp, "seccomp"),
        has(sandbox.no_new_privs, "no new privileges"),
        has(sandbox.rlimits, "limits"),
        has(sandbox.netns, "network namespace"),
        has(sandbox.uid_drop, "own user"),
    );
    if !sandbox.is_strict() {
        let advice = "run it where the kernel enforces Landlock (ABI 4 or newer) and seccomp";
        let report = if demands_sandbox {
            Finding::fail
        } else {
            Finding::warn
        };
        return report(NAME, detail, advice);
    }
    if health.draining {
        let advice = "it takes no more jobs: start it again when its last one has ended";
        return Finding::warn(NAME, format!("it drains; {detail}"), advice);
    }
    Finding::ok(NAME, detail)
}

/// Connects and signs in to the mail server; sends nothing.
pub(super) async fn mail(config: &Config) -> Finding {
    const NAME: &str = "mail";
    let advice = "see that SMTP_URL, its password and its certificate are right";
    match Transport::new(&config.mail) {
        Ok(Transport::Folder(folder)) => {
            let detail = format!("no SMTP server: mails are files in {}", folder.display());
            Finding::warn(NAME, detail, "set SMTP_URL, so that people get them")
        }
        Ok(Transport::Smtp(smtp)) => match timeout(PATIENCE, smtp.test_connection()).await {
            Ok(Ok(true)) => Finding::ok(NAME, "the SMTP server takes mails".to_owned()),
            Ok(Ok(false)) => Finding::fail(NAME, "the SMTP server refuses".to_owned(), advice),
            // What a server says may quote an address.
            Ok(Err(error)) => {
                let detail = error.status().map_or_else(
                    || "the SMTP server cannot be reached".to_owned(),
                    |code| format!("the SMTP server refuses with {code}"),
                );
                Finding::fail(NAME, detail, advice)
            }
            Err(_) => Finding::fail(NAME, LATE.to_owned(), advice),
        },
        Err(error) => Finding::fail(NAME, error.to_string(), advice),
    }
}
