//! Confirming and changing addresses, and resetting passwords.

use serde_json::{Value, json};

use crate::request::By::{Ada, Nobody};
use crate::request::{Row, all_get, call, post};
use crate::support::PASSWORD;

pub fn rows() -> Vec<Row> {
    let mut rows = links();
    rows.extend(resets());
    rows.extend(changes());
    rows
}

fn links() -> Vec<Row> {
    let confirm = |body: Value| post(Nobody, "/v1/email-confirmations", body);
    let reset = |body: Value| post(Nobody, "/v1/password-resets/confirm", body);
    let unknown = ["", "x", "\u{0}", &"0".repeat(64), &"é".repeat(64)];
    let mut rows = all_get(
        unknown.map(|token| confirm(json!({"token": token}))),
        410,
        "token-expired-or-used",
    );
    rows.extend(all_get(
        unknown.map(|token| reset(json!({"token": token, "new_password": PASSWORD}))),
        410,
        "token-expired-or-used",
    ));
    let unfit = [json!({}), json!({"token": 1}), json!([]), json!(null)];
    rows.extend(all_get(
        unfit.clone().map(confirm),
        422,
        "validation-failed",
    ));
    rows.extend(all_get(unfit.map(reset), 422, "validation-failed"));
    let fits_none = json!({"token": "0".repeat(64), "password": "\u{0}"});
    rows.push(confirm(fits_none).gets(410, "token-expired-or-used"));
    let unfit = json!({"token": "0".repeat(64), "password": 1});
    rows.push(confirm(unfit).gets(422, "validation-failed"));
    rows.push(call(Nobody, "GET", "/v1/email-confirmations").gets(405, "method-not-allowed"));
    rows
}

fn resets() -> Vec<Row> {
    let ask = |body: Value| post(Nobody, "/v1/password-resets", body);
    let long = format!("{}@b.example", "x".repeat(300));
    let unfit = [
        "",
        "ada",
        "a b@c.example",
        " a@b.example",
        "a@b.example\r\nBcc: c@d.example",
        &long,
    ];
    let mut rows = all_get(
        unfit.map(|email| ask(json!({"email": email}))),
        422,
        "validation-failed",
    );
    let bodies = [
        json!({}),
        json!({"email": 1}),
        json!({"email": "a@b.example", "x": 1}),
    ];
    rows.extend(all_get(bodies.map(ask), 422, "validation-failed"));
    rows
}

fn changes() -> Vec<Row> {
    let change = |body: Value| post(Ada, "/v1/me/email", body);
    let unfit = [
        json!({}),
        json!({"email": "new@example.com"}),
        json!({"email": "none", "password": PASSWORD}),
        json!({"email": "new@example.com", "password": [PASSWORD]}),
    ];
    let mut rows = all_get(unfit.map(change), 422, "validation-failed");
    let wrong = json!({"email": "new@example.com", "password": "\u{0}"});
    rows.push(change(wrong.clone()).gets(403, "wrong-password"));
    rows.push(post(Nobody, "/v1/me/email", wrong).gets(401, "invalid-token"));
    rows.push(call(Nobody, "DELETE", "/v1/me/email").gets(401, "invalid-token"));
    rows.push(call(Ada, "PUT", "/v1/me/email").gets(405, "method-not-allowed"));
    rows
}
