//! Registering and signing in.

use serde_json::{Value, json};

use crate::request::By::{Ada, Nobody};
use crate::request::{Request, Row, all_get, call, post, post_raw};
use crate::support::PASSWORD;

const JSON: &str = "application/json";
/// Longer than any text may be, shorter than a body may be.
const LONG: usize = 300;
/// Longer than a body may be.
const MANY: usize = 70_000;

pub fn rows() -> Vec<Row> {
    [
        bodies_that_are_no_json(),
        bodies_that_are_too_large(),
        json_that_does_not_fit(),
        media_types(),
        addresses(),
        names_and_passwords(),
        signing_in(),
        second_factors(),
        leaving(),
        proving_once_more(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn register(body: Value) -> Request {
    post(Nobody, "/v1/users", body)
}

fn register_raw(bytes: impl Into<Vec<u8>>) -> Request {
    post_raw(Nobody, "/v1/users", JSON, bytes)
}

fn sign_in(body: Value) -> Request {
    post(Nobody, "/v1/sessions", body)
}

fn bodies_that_are_no_json() -> Vec<Row> {
    let texts = [
        "",
        "{",
        "nonsense",
        "{\"email\":\"a@b.example\"",
        "{\"email\":\"a@b.example\",\"password\":\"x\"} trailing",
        "\u{0}",
        "{\"email\":\"\u{1}\"}",
        "{'email':1}",
    ];
    let mut requests: Vec<Request> = texts.map(register_raw).into();
    requests.push(register_raw("[".repeat(20_000)));
    requests.push(register_raw([0xff, 0xfe, 0x00]));
    all_get(requests, 400, "malformed-request")
}

fn bodies_that_are_too_large() -> Vec<Row> {
    let many = "x".repeat(MANY);
    let in_json = format!("{{\"email\":\"{many}\"}}");
    let requests = [
        register_raw(many),
        post_raw(Nobody, "/v1/sessions", JSON, in_json),
    ];
    all_get(requests, 413, "payload-too-large")
}

fn json_that_does_not_fit() -> Vec<Row> {
    let values = [
        json!([]),
        json!(1),
        json!("x"),
        json!(null),
        json!({}),
        json!({"email": 1, "password": PASSWORD}),
        json!({"email": "a@b.example", "password": [PASSWORD]}),
        json!({"email": "a@b.example", "password": PASSWORD, "role": "admin"}),
        json!({"email": "a@b.example", "password": PASSWORD, "name": 7}),
    ];
    let mut requests: Vec<Request> = values.map(register).into();
    requests.push(register_raw("{\"email\":\"\\ud800\",\"password\":\"x\"}"));
    requests.push(register_raw(
        "{\"email\":\"a@b.example\",\"email\":\"c@d.example\",\"password\":\"x\"}",
    ));
    all_get(requests, 422, "validation-failed")
}

fn media_types() -> Vec<Row> {
    let requests = [
        post_raw(Nobody, "/v1/users", "text/plain", "{}"),
        post_raw(Nobody, "/v1/users", "application/xml", "<a/>"),
        call(Nobody, "POST", "/v1/sessions"),
    ];
    all_get(requests, 415, "unsupported-media-type")
}

fn addresses() -> Vec<Row> {
    let long = format!("{}@b.example", "x".repeat(LONG));
    let wrong = [
        "",
        "ada",
        "@",
        "a@",
        "@b",
        "a b@c.example",
        "a@b@c",
        " a@b.example",
        "a@b.example\n",
        "a\u{0}@b.example",
        &long,
    ];
    let with = |email: &str| register(json!({"email": email, "password": PASSWORD}));
    let mut rows = all_get(wrong.map(with), 422, "validation-failed");
    let taken = ["ada@example.com", "ADA@example.COM"];
    rows.extend(all_get(taken.map(with), 409, "email-taken"));
    rows
}

fn names_and_passwords() -> Vec<Row> {
    let long = "x".repeat(LONG);
    let names = ["", " ", "a\u{0}b", "a\nb", &long]
        .map(|name| register(json!({"email": "a@b.example", "password": PASSWORD, "name": name})));
    let too_long = "Ab1!".repeat(80);
    let passwords = [
        "",
        "short1!",
        "alllower1!",
        "ALLUPPER1!",
        "NoDigits!!",
        "NoSymbol11",
        "Password1!",
        &too_long,
    ]
    .map(|password| register(json!({"email": "a@b.example", "password": password})));
    let identity = register(json!({"email": "adalovelace@b.example", "password": "Adalovelace-1"}));
    let requests = names.into_iter().chain(passwords).chain([identity]);
    all_get(requests, 422, "validation-failed")
}

fn signing_in() -> Vec<Row> {
    let wrong = [
        json!({"email": "ada@example.com", "password": "wrong"}),
        json!({"email": "ada@example.com", "password": "\u{0}"}),
        json!({"email": "nobody@example.com", "password": PASSWORD}),
        json!({"email": "no address", "password": PASSWORD}),
        json!({"email": "a\u{0}@b.example", "password": PASSWORD}),
    ];
    let unfit = [
        json!({"email": "ada@example.com"}),
        json!({"email": "ada@example.com", "password": PASSWORD, "device_name": ""}),
        json!({"email": "ada@example.com", "password": PASSWORD, "device_name": "a\u{0}b"}),
        json!({"email": "ada@example.com", "password": PASSWORD, "device_token": ""}),
        json!({"email": "ada@example.com", "password": PASSWORD, "device_token": "0".repeat(63)}),
        json!({"email": "ada@example.com", "password": PASSWORD, "device_token": "é".repeat(32)}),
        json!({"email": "ada@example.com", "password": PASSWORD, "device_token": 5}),
        json!({"email": "ada@example.com", "password": PASSWORD, "otp": "1"}),
    ];
    let tokens = ["", "x", "\u{0}", &"0".repeat(64), &"G".repeat(64)].map(|token| {
        let body = json!({"refresh_token": token});
        post(Nobody, "/v1/tokens/refresh", body)
    });
    let mut rows = all_get(wrong.map(sign_in), 401, "invalid-credentials");
    rows.extend(all_get(unfit.map(sign_in), 422, "validation-failed"));
    rows.extend(all_get(tokens, 401, "invalid-token"));
    rows
}

fn proving_once_more() -> Vec<Row> {
    const PATH: &str = "/v1/sessions/current/reauthenticate";
    let unfit = [
        json!({}),
        json!([]),
        json!({"password": 1}),
        json!({"password": null}),
        json!({"code": 123_456}),
        json!({"password": "x", "code": "123456"}),
        json!({"password": "x", "email": "x"}),
    ]
    .map(|body| post(Ada, PATH, body));
    let wrong = [
        json!({"password": ""}),
        json!({"password": "x".repeat(LONG)}),
    ];
    let mut rows = all_get(unfit, 422, "validation-failed");
    let wrong = wrong.map(|body| post(Ada, PATH, body));
    rows.extend(all_get(wrong, 403, "wrong-password"));
    rows.push(post(Ada, PATH, json!({"code": "1"})).gets(409, "totp-not-enabled"));
    rows.push(post(Nobody, PATH, json!({"password": "x"})).gets(401, "invalid-token"));
    rows
}

fn second_factors() -> Vec<Row> {
    let prove = |body: Value| post(Nobody, "/v1/sessions/second-factor", body);
    let good = "0".repeat(64);
    let unknown = ["", "x", "\u{0}", &good, &"é".repeat(64)]
        .map(|challenge| prove(json!({"challenge": challenge, "code": "123456"})));
    let unfit = [
        json!({}),
        json!({"challenge": good}),
        json!({"challenge": good, "code": 123_456}),
        json!({"challenge": good, "code": "123456", "recovery_code": "x"}),
        json!({"challenge": good, "code": "123456", "device_name": "x"}),
    ]
    .map(prove);
    let confirm = |body: Value| post(Ada, "/v1/me/totp/confirm", body);
    let codes = |body: Value| post(Ada, "/v1/me/totp/recovery-codes", body);
    let bodies = || {
        [
            json!({}),
            json!({"code": 1}),
            json!({"code": "1", "x": 1}),
            json!([]),
        ]
    };
    let mut rows = all_get(unknown, 410, "challenge-expired");
    rows.extend(all_get(unfit, 422, "validation-failed"));
    rows.extend(all_get(bodies().map(confirm), 422, "validation-failed"));
    rows.extend(all_get(bodies().map(codes), 422, "validation-failed"));
    rows.push(confirm(json!({"code": "123456"})).gets(409, "totp-not-pending"));
    rows.push(codes(json!({"code": "123456"})).gets(409, "totp-not-enabled"));
    rows.push(call(Ada, "PUT", "/v1/me/totp").gets(405, "method-not-allowed"));
    rows
}

fn leaving() -> Vec<Row> {
    let ask = |body: Value| post(Ada, "/v1/me/deletion", body);
    let unfit = [
        json!({}),
        json!({"password": 1}),
        json!({"password": "x", "x": 1}),
        json!({"password": ["x"]}),
        json!([]),
    ];
    let mut rows = all_get(unfit.map(ask), 422, "validation-failed");
    let wrong = [json!({"password": ""}), json!({"password": "\u{0}"})];
    rows.extend(all_get(wrong.map(ask), 403, "wrong-password"));
    rows.push(ask(json!({"password": "x".repeat(LONG)})).gets(403, "wrong-password"));
    for path in ["/v1/me/activity?limit=0", "/v1/me/activity?cursor=x"] {
        rows.push(call(Ada, "GET", path).gets(400, "malformed-request"));
    }
    rows.push(call(Ada, "POST", "/v1/me/export").gets(405, "method-not-allowed"));
    rows
}
