//! Headers that are wrong.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::request::check;
use crate::support::{PASSWORD, Server, clip};

fn sessions(server: &Server) -> RequestBuilder {
    server.request(Method::GET, "/v1/sessions")
}

#[tokio::test]
async fn a_token_is_read_strictly() {
    let server = Server::start().await;
    let ada = server.token("ada@example.com").await;
    let (upper, short, longer) = (ada.to_uppercase(), &ada[..63], format!("{ada}0"));
    let unknown = "0".repeat(64);
    for token in ["", "x", &upper, short, &longer, &unknown, "ü"] {
        let request = sessions(&server).header("authorization", format!("Bearer {token}"));
        check(request.send().await.unwrap(), 401, "invalid-token", token).await;
    }
    let basic = sessions(&server).header("authorization", format!("Basic {ada}"));
    check(basic.send().await.unwrap(), 401, "invalid-token", "Basic").await;
    let twice = sessions(&server).bearer_auth(&ada).bearer_auth(&ada);
    check(twice.send().await.unwrap(), 401, "invalid-token", "two").await;
    let once = sessions(&server).bearer_auth(&ada);
    assert_eq!(once.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn positions_keys_and_ranges_that_are_none_get_their_problem() {
    let server = Server::start().await;
    let ada = server.token("ada@example.com").await;
    for (value, status, slug) in [
        ("soon", 400, "malformed-request"),
        ("-1", 400, "malformed-request"),
        ("999999", 503, "read-model-behind"),
    ] {
        let request = sessions(&server).bearer_auth(&ada);
        let request = request.header("gatelog-min-position", value);
        check(request.send().await.unwrap(), status, slug, value).await;
    }
    for key in [String::new(), "k".repeat(256)] {
        let body = json!({"email": "c@example.com", "password": PASSWORD});
        let request = server.request(Method::POST, "/v1/users").json(&body);
        let response = request.header("idempotency-key", &key).send().await;
        check(response.unwrap(), 400, "malformed-request", &key).await;
    }
    let media = server.upload(&ada, "clip.mp4", clip()).await;
    let content = server.request(Method::GET, &format!("/v1/media/{media}/content"));
    let content = content.bearer_auth(&ada).header("range", "bytes=99999999-");
    let response = content.send().await.unwrap();
    assert_eq!(response.headers()["content-range"], "bytes */1055736");
    check(response, 416, "range-not-satisfiable", "range").await;
}
