//! Resumable uploads and quotas, on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod client;
mod leaving;
mod protocol;
mod quotas;
#[path = "../support/mod.rs"]
mod support;
mod turns;
mod wrong;

use std::path::Path;

use reqwest::{Method, RequestBuilder, Response};
use sha2::{Digest as _, Sha256};
use support::engines::{count, servers};
use support::{Server, clip, until_so};

pub const EMAIL: &str = "ada@example.com";
pub const PIECE: &str = "application/offset+octet-stream";

/// A person who speaks tus.
pub struct Tus<'a> {
    pub server: &'a Server,
    pub token: &'a str,
}

impl Tus<'_> {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.server.request(method, path).bearer_auth(self.token);
        request.header("tus-resumable", "1.0.0")
    }

    /// Announces a file `film.mp4`.
    pub async fn announce(&self, bytes: usize) -> Response {
        let request = self
            .request(Method::POST, "/v1/uploads")
            .header("upload-length", bytes)
            .header("upload-metadata", "filename ZmlsbS5tcDQ=,kind ZmlsbQ==");
        request.send().await.unwrap()
    }

    /// As [`Self::announce`]: the path of the upload.
    pub async fn made(&self, bytes: usize) -> String {
        let answer = self.announce(bytes).await;
        assert_eq!(answer.status(), 201);
        header(&answer, "location")
    }

    pub fn piece(&self, upload: &str, offset: usize, bytes: &[u8]) -> RequestBuilder {
        self.request(Method::PATCH, upload)
            .header("upload-offset", offset)
            .header("content-type", PIECE)
            .body(bytes.to_vec())
    }

    pub async fn send(&self, upload: &str, offset: usize, bytes: &[u8]) -> Response {
        self.piece(upload, offset, bytes).send().await.unwrap()
    }

    pub async fn head(&self, upload: &str) -> Response {
        self.request(Method::HEAD, upload).send().await.unwrap()
    }

    /// Where the upload goes on.
    pub async fn offset(&self, upload: &str) -> usize {
        let answer = self.head(upload).await;
        assert_eq!(answer.status(), 200);
        header(&answer, "upload-offset").parse().unwrap()
    }

    /// The person's files: their identifiers.
    pub async fn files(&self) -> Vec<String> {
        let page = self.server.get_json("/v1/media", self.token).await;
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The file has exactly these bytes.
    pub async fn has(&self, media: &str, bytes: &[u8]) {
        let path = format!("/v1/media/{media}");
        let shown = self.server.get_json(&path, self.token).await;
        assert_eq!(shown["sha256"], hex::encode(Sha256::digest(bytes)));
        assert_eq!(shown["bytes"], bytes.len());
        assert_eq!(shown["name"], "film.mp4");
        let content = self
            .server
            .get(&format!("{path}/content"), self.token)
            .await;
        assert!(content.bytes().await.unwrap() == bytes);
    }

    /// Bytes, files and open uploads that count.
    pub async fn usage(&self) -> [u64; 3] {
        let usage = self.server.get_json("/v1/me/usage", self.token).await;
        ["bytes", "files", "open_uploads"].map(|name| usage[name].as_u64().unwrap())
    }
}

pub fn header(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name);
    let value = value.ok_or_else(|| format!("no {name}: {answer:?}"));
    value.unwrap().to_str().unwrap().to_owned()
}

/// Every file below the blob store's folder `name`.
pub fn objects(server: &Server, name: &str) -> Vec<String> {
    fn walk(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                walk(&entry.path(), found);
            } else {
                found.push(entry.path().display().to_string());
            }
        }
    }
    let mut found = Vec::new();
    walk(&server.data.join("blobs").join(name), &mut found);
    // Where the log keeps what it signed.
    found.retain(|object| !object.contains("/blobs/signed/"));
    found
}

/// Waits until a query gives a number.
pub async fn until_count(url: &str, sql: &str, wanted: i64) {
    until_so(sql, async || count(url, sql).await == wanted).await;
}
