//! Reads the log behind the last position as far as it is signed, proves that it is what was signed, and keeps how far it
//! has come.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Response;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

type Failure = Box<dyn std::error::Error>;

/// How many lines were read, and the roots of the complete subtrees over them (RFC 6962), the largest first.
#[derive(Default, Serialize, Deserialize)]
pub struct State {
    pub size: u64,
    peaks: Vec<[u8; 32]>,
}

fn node(left: &[u8], right: &[u8]) -> [u8; 32] {
    Sha256::digest([&[1], left, right].concat()).into()
}

impl State {
    fn push(&mut self, line: &[u8]) {
        let mut hash: [u8; 32] = Sha256::digest([&[0], line].concat()).into();
        for _ in 0..self.size.trailing_ones() {
            let left = self.peaks.pop().unwrap_or_default();
            hash = node(&left, &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root of the tree, in base64.
    pub fn root(&self) -> String {
        let mut peaks = self.peaks.iter().rev();
        let root = match peaks.next() {
            Some(last) => peaks.fold(*last, |right, left| node(left, &right)),
            None => Sha256::digest([]).into(),
        };
        STANDARD.encode(root)
    }
}

/// Makes something of an event. It must be harmless to do so twice: the state is kept after it.
fn handle(event: &Value) {
    let _ = event;
}

/// Asks any node of the server, which waits until it knows of so many events.
async fn ask(address: String, token: &str, size: u64) -> Result<Response, Failure> {
    let request = reqwest::Client::new().get(address).bearer_auth(token);
    let request = request
        .header("accept", "application/x-ndjson, text/plain")
        .header("gatelog-min-position", size);
    Ok(request.send().await?.error_for_status()?)
}

/// The events up to a position. Nobody has vouched for them yet.
async fn read(
    url: &str,
    token: &str,
    state: &mut State,
    up_to: u64,
) -> Result<Vec<Value>, Failure> {
    let address = format!("{url}/v1/audit/events?after={}", state.size);
    let mut answer = ask(address, token, up_to).await?;
    let (mut events, mut rest) = (Vec::new(), Vec::new());
    'reading: while let Some(chunk) = answer.chunk().await? {
        rest.extend_from_slice(&chunk);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            if state.size >= up_to {
                break 'reading;
            }
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = line.get(..end).unwrap_or_default();
            let event: Value = serde_json::from_slice(line)?;
            if event.get("position").and_then(Value::as_u64) != Some(state.size + 1) {
                return Err(format!("a gap behind {}", state.size).into());
            }
            events.push(event);
            state.push(line);
        }
    }
    Ok(events)
}

/// The size and the root of a checkpoint (C2SP tlog-checkpoint), if the key, `name+id+base64`, has signed it.
fn opened(note: &str, key: &str) -> Result<(u64, String), Failure> {
    let mut parts = key.trim().splitn(3, '+');
    let mut part = || parts.next().ok_or("no key of a signed note");
    let (name, id, encoded) = (part()?, hex::decode(part()?)?, STANDARD.decode(part()?)?);
    let [1, key @ ..] = encoded.as_slice() else {
        return Err("no Ed25519 key of a signed note".into());
    };
    let key = UnparsedPublicKey::new(&ED25519, key);
    let (text, signatures) = note.rsplit_once("\n\n").ok_or("no signed note")?;
    let text = format!("{text}\n");
    let is_signature = |line: &str| {
        let own = line.strip_prefix("\u{2014} ")?.strip_prefix(name)?;
        let bytes = STANDARD.decode(own.trim()).ok()?;
        let signature = bytes.strip_prefix(id.as_slice())?;
        key.verify(text.as_bytes(), signature).ok()
    };
    if !signatures.lines().any(|line| is_signature(line).is_some()) {
        return Err("the checkpoint is not signed by the key".into());
    }
    let mut lines = text.lines();
    if lines.next() != Some(name) {
        return Err("the checkpoint is of another log".into());
    }
    let size = lines.next().ok_or("no size")?.parse()?;
    Ok((size, lines.next().ok_or("no root")?.to_owned()))
}

async fn checkpoint(
    url: &str,
    token: &str,
    key: &str,
    size: u64,
) -> Result<(u64, String), Failure> {
    let note = ask(format!("{url}/v1/audit/log/checkpoint"), token, size).await?;
    opened(&note.text().await?, key)
}

/// Reads as far as the log is signed, holds what was read against that, and keeps the state.
pub async fn verified(url: &str, token: &str, file: &str, key: &str) -> Result<State, Failure> {
    let mut state: State = match std::fs::read(file) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => State::default(),
    };
    let (size, root) = checkpoint(url, token, key, state.size).await?;
    let events = read(url, token, &mut state, size).await?;
    if (state.size, state.root()) != (size, root) {
        return Err("what was read is not what the server has signed".into());
    }
    events.iter().for_each(handle);
    let draft = format!("{file}.draft");
    std::fs::write(&draft, serde_json::to_vec(&state)?)?;
    std::fs::rename(draft, file)?;
    Ok(state)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url, token, file, key] = arguments.as_slice() else {
        return Err("usage: consume URL TOKEN STATE KEY".into());
    };
    let state = verified(url, token, file, key).await?;
    writeln!(std::io::stdout(), "{} {}", state.size, state.root())?;
    Ok(())
}
