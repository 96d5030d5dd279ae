//! Where `gatelog log verify` gets a log from: a folder that `log export` wrote, files, or a server.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use bytes::{Buf as _, Bytes, BytesMut};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use zeroize::Zeroizing;

use crate::http::reads::MIN_POSITION;
use crate::moving::lines::LINE_BYTES_MAX;
use crate::ports::http_client::{HttpClient, text};

/// The longest checkpoint.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// A log's lines, one by one.
pub enum Lines {
    /// Of a file.
    File(BufReader<std::fs::File>),
    /// Of an answer.
    Answer(Incoming, BytesMut),
}

impl Lines {
    /// The lines of a file.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let file = std::fs::File::open(path);
        let file = file.with_context(|| path.display().to_string())?;
        Ok(Self::File(BufReader::new(file)))
    }

    /// The next line without its end; `None` at the end. What does not end with one is no line.
    pub async fn next(&mut self) -> anyhow::Result<Option<String>> {
        let line = match self {
            Self::File(file) => {
                let mut line = Vec::new();
                let mut limited = file.take(LINE_BYTES_MAX as u64);
                limited.read_until(b'\n', &mut line)?;
                line
            }
            Self::Answer(body, read) => next_of_answer(body, read).await?,
        };
        if line.is_empty() {
            return Ok(None);
        }
        let Some(line) = line.strip_suffix(b"\n") else {
            bail!("a line has no end");
        };
        Ok(Some(
            std::str::from_utf8(line).context("a line")?.to_owned(),
        ))
    }
}

async fn next_of_answer(body: &mut Incoming, read: &mut BytesMut) -> anyhow::Result<Vec<u8>> {
    let mut searched = 0;
    loop {
        let fresh = read.get(searched..).unwrap_or_default();
        if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
            return Ok(read.split_to(searched + end + 1).to_vec());
        }
        searched = read.len();
        if searched > LINE_BYTES_MAX {
            bail!("a line is too long");
        }
        let Some(frame) = body.frame().await else {
            return Ok(read.split().to_vec());
        };
        if let Ok(mut data) = frame?.into_data() {
            read.reserve(data.remaining());
            while data.has_remaining() {
                let chunk = data.chunk();
                read.extend_from_slice(chunk);
                let length = chunk.len();
                data.advance(length);
            }
        }
    }
}

/// A server, and the token that lets one read its log.
pub struct Server {
    client: HttpClient,
    base: String,
    token: Zeroizing<String>,
}

impl Server {
    /// The server at a URL, such as `https://id.example.com`.
    pub fn new(url: &str, token: Zeroizing<String>) -> Self {
        let base = url.trim_end_matches('/').to_owned();
        Self {
            client: HttpClient::default(),
            base,
            token,
        }
    }

    /// The checkpoint of so many events, which another node may have shown, or of more; of fewer when the log has not so
    /// many any more.
    pub async fn checkpoint(&self, size: u64) -> anyhow::Result<String> {
        let path = "/v1/audit/log/checkpoint";
        let answer = self.get(path, "text/plain", size).await?;
        Ok(text(answer.into_body(), NOTE_BYTES_MAX).await?)
    }

    /// The events, up to the head, which are so many at least.
    pub async fn events(&self, size: u64) -> anyhow::Result<Lines> {
        let path = "/v1/audit/events";
        let answer = self.get(path, "application/x-ndjson", size).await?;
        Ok(Lines::Answer(answer.into_body(), BytesMut::new()))
    }

    /// A node that has not heard of so many events waits for them, and then gives what it has.
    async fn get(&self, path: &str, accept: &str, size: u64) -> anyhow::Result<Response<Incoming>> {
        let mut answer = self.ask(path, accept, size).await?;
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE && size > 0 {
            answer = self.ask(path, accept, 0).await?;
        }
        if !answer.status().is_success() {
            bail!("{path} was answered with {}", answer.status());
        }
        Ok(answer)
    }

    async fn ask(&self, path: &str, accept: &str, size: u64) -> anyhow::Result<Response<Incoming>> {
        let bearer = Zeroizing::new(format!("Bearer {}", self.token.trim()));
        let request = Request::get(format!("{}{path}", self.base))
            .header(header::AUTHORIZATION, bearer.as_str())
            .header(header::ACCEPT, accept)
            .header(MIN_POSITION, size)
            .body(Full::new(Bytes::new()))?;
        Ok(self.client.send(request).await?)
    }
}
