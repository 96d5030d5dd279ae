//! A request that is sent again.

use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::on_postgres;
use crate::request::check;
use crate::support::{PASSWORD, Server, access_token, clip};

fn with_key(server: &Server, path: &str, key: &str) -> RequestBuilder {
    server
        .request(Method::POST, path)
        .header("idempotency-key", key)
}

async fn register(server: &Server, email: &str) -> Response {
    let body = json!({"email": email, "password": PASSWORD});
    let request = with_key(server, "/v1/users", "k1").json(&body);
    request.send().await.unwrap()
}

async fn sign_in(server: &Server) -> Response {
    let body = json!({"email": "ada@example.com", "password": PASSWORD});
    let request = with_key(server, "/v1/sessions", "k2").json(&body);
    request.send().await.unwrap()
}

#[tokio::test]
async fn an_idempotency_key_gives_the_same_answer_and_writes_nothing_again() {
    for server in [Server::start().await, on_postgres().await] {
        let first = register(&server, "ada@example.com").await;
        assert_eq!(first.status(), 201);
        let position = first.headers()["gatelog-position"].clone();
        let first: Value = first.json().await.unwrap();
        let again = register(&server, "ada@example.com").await;
        assert_eq!(again.status(), 201);
        assert_eq!(again.headers()["gatelog-position"], position);
        assert_eq!(again.json::<Value>().await.unwrap(), first);
        let other = register(&server, "bob@example.com").await;
        check(other, 422, "idempotency-key-reused", "another body").await;
    }
}

#[tokio::test]
async fn a_token_is_never_given_again() {
    let server = Server::start().await;
    register(&server, "ada@example.com").await;
    let token = access_token(&sign_in(&server).await.json().await.unwrap());
    let replay = sign_in(&server).await;
    check(replay, 409, "idempotency-replay", "a token").await;
    let sessions = server.get_json("/v1/sessions", &token).await;
    assert_eq!(sessions["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_upload_that_is_sent_again_is_kept_once() {
    let server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let upload = async || -> Value {
        let request = with_key(&server, "/v1/media?name=a.mp4", "k3");
        let request = request.bearer_auth(&token).body(clip());
        request.send().await.unwrap().json().await.unwrap()
    };
    assert_eq!(upload().await, upload().await);
    let kept = server.get_json("/v1/media", &token).await;
    assert_eq!(kept["items"].as_array().unwrap().len(), 1);
}
