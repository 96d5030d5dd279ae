//! What a new password has to keep to.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_that_a_new_password_breaks_is_told_at_once() {
    let server = Server::start().await;
    let of = |password: &'static str| codes_of(&server, EMAIL, "Ada Lovelace", password);
    assert_eq!(
        of("abc").await,
        [
            "too_short",
            "no_uppercase",
            "no_digit",
            "no_symbol",
            "too_common"
        ]
    );
    assert_eq!(of("Password1!").await, ["too_common"]);
    let kinds = ["no_uppercase", "no_digit", "no_symbol"];
    for long in ["aaaaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrstuvwxyz"] {
        let all = [&kinds[..], &["too_common"]].concat();
        assert_eq!(of(long).await, all, "{long}");
    }
    assert_eq!(of("correct horse battery staple").await, kinds);
    assert_eq!(
        of("Qwertyuiop[1").await,
        ["too_common"],
        "a row of keys that is on no list"
    );
    assert_eq!(of("x9-ADA@example.com-Kq").await, ["contains_identity"]);
    assert_eq!(of("x9-ada lovelace-Kq").await, ["contains_identity"]);
    let long = format!("Correct-horse-7{}", "\u{e9}\u{301}".repeat(250));
    assert_eq!(codes_of(&server, EMAIL, "Ada", &long).await, ["too_long"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_same_however_a_keyboard_composes_it_and_is_never_cut() {
    for (server, url, _folder) in servers(&[]).await {
        let long = "staple-".repeat(34);
        let composed = format!("Cafe\u{301}-7{long}X");
        assert!(composed.chars().count() > 240);
        let body = json!({"email": EMAIL, "password": composed});
        assert_eq!(
            server.post("/v1/users", "", &body).await.status(),
            201,
            "{url}"
        );
        assert_eq!(sign_in(&server, &composed).await, 201);
        assert_eq!(sign_in(&server, &format!("Caf\u{e9}-7{long}X")).await, 201);
        assert_eq!(sign_in(&server, &format!("Caf\u{e9}-7{long}Y")).await, 401);
        assert_eq!(sign_in(&server, &format!("Caf\u{e9}-7{long}")).await, 401);
        assert_eq!(sign_in(&server, &"x".repeat(60_000)).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_rules_are_in_force_and_told_to_anyone() {
    let rules = |server: &Server| {
        let request = server.request(Method::GET, "/v1/config");
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()["password"].clone() }
    };
    let server = Server::start_with(&[("PASSWORD_POLICY", "nist")]).await;
    let told = rules(&server).await;
    assert_eq!(
        (&told["policy"], &told["min_length"]),
        (&json!("nist"), &json!(15))
    );
    assert_eq!(
        (&told["max_length"], &told["require_digit"]),
        (&json!(256), &json!(false))
    );
    assert_eq!(
        codes_of(&server, EMAIL, "Ada", "Correct-horse7").await,
        ["too_short"]
    );
    assert_eq!(
        codes_of(&server, EMAIL, "Ada", "aaaaaaaaaaaaaaaa").await,
        ["too_common"]
    );
    let body = json!({"email": EMAIL, "password": "correct horse battery"});
    assert_eq!(server.post("/v1/users", "", &body).await.status(), 201);
    let server =
        Server::start_with(&[("PASSWORD_MIN_LENGTH", "12"), ("PASSWORD_REQUIRE", "digit")]).await;
    let told = rules(&server).await;
    assert_eq!(
        (&told["min_length"], &told["require_digit"]),
        (&json!(12), &json!(true))
    );
    assert_eq!(
        (&told["policy"], &told["require_symbol"]),
        (&json!("composition"), &json!(false))
    );
    assert_eq!(
        codes_of(&server, EMAIL, "Ada", "horsestaple").await,
        ["too_short", "no_digit"]
    );
}
