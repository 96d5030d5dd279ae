//! Who may call, and what a malformed call is answered.

use media_worker::api::{ErrorBody, ErrorCode, Sha256Digest};
use media_worker::auth::{AUTH_HEADER, Keys, SignedParts, fresh_nonce};
use media_worker::client::ClientError;
use media_worker::clock::unix_seconds;
use media_worker::endpoint::Endpoint;
use reqwest::{Method, StatusCode};

use crate::support::{SECRET, Worker, client, new_key};

/// A call made by hand.
struct Call<'a> {
    method: Method,
    path: &'a str,
    body: &'a str,
    keys: &'a str,
    at: i64,
    nonce: String,
}

impl<'a> Call<'a> {
    fn new(method: Method, path: &'a str, body: &'a str) -> Self {
        Self {
            method,
            path,
            body,
            keys: SECRET,
            at: unix_seconds(),
            nonce: fresh_nonce().unwrap(),
        }
    }

    fn signature(&self) -> String {
        let parts = SignedParts {
            method: self.method.as_str(),
            path_and_query: self.path,
            body_sha256: Sha256Digest::of(self.body.as_bytes()),
            content_length: self.body.len() as u64,
        };
        parts.sign(&Keys::parse(self.keys).unwrap(), self.at, &self.nonce)
    }

    async fn send(&self, worker: &Worker) -> (StatusCode, Option<ErrorCode>) {
        self.send_signed(worker, &self.signature()).await
    }

    async fn send_signed(
        &self,
        worker: &Worker,
        signature: &str,
    ) -> (StatusCode, Option<ErrorCode>) {
        let http = reqwest::Client::builder()
            .unix_socket(worker.socket.clone())
            .build()
            .unwrap();
        let url = format!("http://worker{}", self.path);
        let request = http
            .request(self.method.clone(), url)
            .header(AUTH_HEADER, signature);
        let response = request.body(self.body.to_owned()).send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        (
            status,
            serde_json::from_slice::<ErrorBody>(&body)
                .ok()
                .map(|body| body.code),
        )
    }
}

const REFUSED: (StatusCode, Option<ErrorCode>) =
    (StatusCode::UNAUTHORIZED, Some(ErrorCode::Unauthenticated));

#[tokio::test]
async fn only_a_fresh_signature_with_an_active_key_is_let_in() {
    let worker = Worker::start().await;
    let call = || Call::new(Method::GET, "/v1/health", "");
    assert_eq!(call().send(&worker).await, (StatusCode::OK, None));
    let now = unix_seconds();
    let other = "another-secret-of-a-sufficient-length-0123456789";
    let other_id = format!("2:{SECRET}");
    assert_eq!(
        Call {
            keys: other,
            ..call()
        }
        .send(&worker)
        .await,
        REFUSED
    );
    assert_eq!(
        Call {
            keys: &other_id,
            ..call()
        }
        .send(&worker)
        .await,
        REFUSED
    );
    assert_eq!(
        Call {
            at: now - 90,
            ..call()
        }
        .send(&worker)
        .await,
        REFUSED
    );
    assert_eq!(
        Call {
            at: now + 90,
            ..call()
        }
        .send(&worker)
        .await,
        REFUSED
    );
    for signature in ["", "t=1,kid=1,n=0000000000000000,v1=00", "Bearer x"] {
        assert_eq!(
            call().send_signed(&worker, signature).await,
            REFUSED,
            "{signature}"
        );
    }
    let stolen = Call::new(Method::GET, "/v1/limits", "").signature();
    assert_eq!(
        call().send_signed(&worker, &stolen).await,
        REFUSED,
        "signed for another path"
    );
    let once = call();
    assert_eq!(once.send(&worker).await, (StatusCode::OK, None));
    assert_eq!(once.send(&worker).await, REFUSED, "the nonce was used");
}

#[tokio::test]
async fn no_route_is_open() {
    let worker = Worker::start().await;
    let job = format!("/v1/jobs/{}", new_key());
    let input = format!("{job}/input");
    for (method, path) in [
        (Method::GET, "/v1/jobs"),
        (Method::PUT, job.as_str()),
        (Method::GET, job.as_str()),
        (Method::DELETE, job.as_str()),
        (Method::POST, &format!("{job}/start")),
        (Method::GET, &format!("{job}/events?after=0")),
        (Method::GET, &format!("{job}/outputs")),
        (Method::GET, &format!("{job}/outputs/poster.webp")),
        (Method::POST, &format!("{job}/ack")),
        (Method::GET, "/v1/health"),
        (Method::GET, "/v1/limits"),
        (Method::GET, "/metrics"),
        (Method::POST, "/v1/drain"),
        (Method::GET, "/nowhere"),
    ] {
        let call = Call::new(method, path, "");
        assert_eq!(call.send_signed(&worker, "").await, REFUSED, "{path}");
    }
    // The digest of a streamed body is part of its signature, so it is asked for first.
    let (status, _) = Call::new(Method::PUT, &input, "x")
        .send_signed(&worker, "")
        .await;
    assert!(status.is_client_error(), "{status}");
    assert!(worker.client.jobs().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_key_can_be_replaced_without_a_gap() {
    let two = format!("2:{SECRET},1:an-older-secret-of-sufficient-length-01234");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, &two).unwrap();
    let worker = Worker::start_with_secret_file(&file).await;
    let endpoint = Endpoint::Unix(worker.socket.clone());
    for secret in [two.as_str(), "1:an-older-secret-of-sufficient-length-01234"] {
        assert!(client(&endpoint, secret).health().await.is_ok());
    }
    let refused = client(&endpoint, SECRET).health().await;
    assert_eq!(
        refused,
        Err(ClientError::Rejected {
            code: ErrorCode::Unauthenticated
        })
    );
}

#[tokio::test]
async fn the_same_calls_work_over_tcp() {
    let worker = Worker::start_with(&["--listen", "tcp:127.0.0.1:0"]).await;
    let started: serde_json::Value = serde_json::from_str(worker.logged.trim()).unwrap();
    let endpoint: Endpoint = started["fields"]["listen"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        client(&endpoint, SECRET)
            .health()
            .await
            .unwrap()
            .sandbox
            .is_strict()
    );
    let stranger = client(
        &endpoint,
        "another-secret-of-a-sufficient-length-0123456789",
    );
    let refused = stranger.health().await;
    assert_eq!(
        refused,
        Err(ClientError::Rejected {
            code: ErrorCode::Unauthenticated
        })
    );
}

#[tokio::test]
async fn a_malformed_call_is_answered_and_never_a_defect() {
    let worker = Worker::start().await;
    let job = format!("/v1/jobs/{}", new_key());
    let large = "x".repeat(70_000);
    let unknown_preset = r#"{"preset":"../../x","preset_version":1,"input_size":1}"#;
    let not_found = (StatusCode::NOT_FOUND, Some(ErrorCode::NotFound));
    let invalid = (
        StatusCode::UNPROCESSABLE_ENTITY,
        Some(ErrorCode::InvalidSpec),
    );
    let wrong_method = (
        StatusCode::METHOD_NOT_ALLOWED,
        Some(ErrorCode::MethodNotAllowed),
    );
    for (method, path, body, expected) in [
        (Method::GET, "/nowhere", "", not_found),
        (Method::GET, job.as_str(), "", not_found),
        (Method::GET, "/v1/jobs/x/1", "", not_found),
        (
            Method::GET,
            "/v1/jobs/00000000-0000-0000-0000-000000000000/-1",
            "",
            not_found,
        ),
        (Method::GET, "/v1/jobs/%ff/1", "", not_found),
        (Method::PATCH, "/v1/jobs", "", wrong_method),
        (Method::PUT, job.as_str(), "", invalid),
        (Method::PUT, job.as_str(), "{\"preset\":", invalid),
        (Method::PUT, job.as_str(), "[[[[[[[[", invalid),
        (Method::PUT, job.as_str(), "{\"unknown\":1}", invalid),
        (Method::PUT, job.as_str(), unknown_preset, invalid),
        (
            Method::PUT,
            job.as_str(),
            &large,
            (StatusCode::PAYLOAD_TOO_LARGE, Some(ErrorCode::BodyTooLarge)),
        ),
    ] {
        assert_eq!(
            Call::new(method, path, body).send(&worker).await,
            expected,
            "{path} {body:.40}"
        );
    }
    let (status, logged, _) = worker.terminate().await;
    assert!(status.success() && !logged.contains("panicked"), "{logged}");
}
