//! Where the content of media is: in a folder or in a bucket, once for each person, and gone when nothing refers to it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod bucket;
mod once;
mod story;
#[path = "../support/mod.rs"]
mod support;
mod sweep;

use std::path::Path;

use gatelog::config::{Config, Source, StorageConfig};
use gatelog::ports::blobs::Blobs;
use reqwest::{Body, Method, Response};
use support::Server;

/// A PNG by its first bytes, of this length, and of this seed.
fn picture(length: usize, seed: u8) -> Vec<u8> {
    let mut content = b"\x89PNG\r\n\x1a\n".to_vec();
    content.extend((content.len()..length).map(|n| (n / 251) as u8 ^ (n as u8) ^ seed));
    content
}

/// The names of the files below a folder, with what leads there; without what of the log was signed last.
fn files(folder: &Path) -> Vec<String> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path == root.join("signed") {
                continue;
            }
            if path.is_dir() {
                walk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap();
                found.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// An upload whose body begins so and then waits.
fn begun(server: &Server, token: &str, content: Vec<u8>) -> tokio::task::JoinHandle<()> {
    let parts = content.chunks(64 * 1024).map(|part| Ok(part.to_vec()));
    let parts: Vec<std::io::Result<Vec<u8>>> = parts.collect();
    let begin = futures::stream::iter(parts);
    let body = futures::StreamExt::chain(begin, futures::stream::pending());
    let request = server
        .request(Method::POST, "/v1/media?name=cut.png")
        .bearer_auth(token)
        .body(Body::wrap_stream(body));
    tokio::spawn(async move {
        let _ = request.send().await;
    })
}

async fn content(server: &Server, token: &str, media: &str) -> Response {
    server
        .get(&format!("/v1/media/{media}/content"), token)
        .await
}

/// The store of a server, for this process.
fn stored_in(server: &Server, settings: &[(&'static str, String)]) -> Blobs {
    let folder = server.data.to_str().unwrap();
    let all = [&[("DATA_DIR", folder)], &pairs(settings)[..]].concat();
    let config = Config::load(&Source::from_pairs(&all, &[])).unwrap();
    assert!(matches!(config.media.storage, StorageConfig::S3(_)));
    Blobs::open(&config.media.storage).unwrap()
}

fn pairs<'a>(settings: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    let pairs = settings.iter().map(|(key, value)| (*key, value.as_str()));
    pairs.collect()
}
