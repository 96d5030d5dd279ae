//! A small SMTP server (RFC 5321) with STARTTLS (RFC 3207): it keeps what it takes, and can be told to refuse, to hang,
//! or to be away.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::support::PATIENCE;

/// What the server does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// Answers so to the recipient.
    Refuses(u16),
    /// Never answers after the message.
    Hangs,
}

/// A message as it came.
#[derive(Debug, Clone)]
pub struct Message {
    pub to: String,
    pub data: String,
    pub is_tls: bool,
}

impl Message {
    pub fn header(&self, name: &str) -> String {
        let head = self.data.split("\r\n\r\n").next().unwrap();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let start = format!("{}: ", name.to_lowercase());
        let lines = unfolded.split("\r\n");
        let mut found = lines.filter(|line| line.to_lowercase().starts_with(&start));
        let line = found.next().unwrap_or_default();
        assert!(!line.is_empty(), "no {name}: {head}");
        assert!(found.next().is_none(), "{name} stands twice: {head}");
        line[start.len()..].to_owned()
    }

    pub fn subject(&self) -> String {
        self.header("Subject")
    }

    /// The body without the encoding of its parts.
    pub fn text(&self) -> String {
        let joined = self.data.replace("=\r\n", "");
        // In capitals only (RFC 2045, 6.7): a token may begin with "3d".
        joined.replace("=3D", "=")
    }

    /// The token of the link.
    pub fn token(&self) -> String {
        let text = self.text();
        let token = text.split("#token=").nth(1).unwrap();
        token.chars().take_while(char::is_ascii_hexdigit).collect()
    }
}

#[derive(Debug)]
struct State {
    mood: Mood,
    messages: Vec<Message>,
    /// How many messages were begun.
    begun: usize,
}

/// The server.
pub struct Smtp {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    tls: Option<TlsAcceptor>,
    /// The certificate (PEM), which is its own authority.
    pub authority: String,
    task: Option<JoinHandle<()>>,
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Smtp {
    /// Without TLS.
    pub async fn start() -> Self {
        Self::new(None, String::new()).await
    }

    /// That offers STARTTLS.
    pub async fn start_with_tls() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::new(Some(TlsAcceptor::from(Arc::new(config))), made.cert.pem()).await
    }

    async fn new(tls: Option<TlsAcceptor>, authority: String) -> Self {
        let state = State {
            mood: Mood::Takes,
            messages: Vec::new(),
            begun: 0,
        };
        let mut server = Self {
            address: SocketAddr::from(([127, 0, 0, 1], super::support::free_port())),
            state: Arc::new(Mutex::new(state)),
            tls,
            authority,
            task: None,
        };
        server.listen().await;
        server
    }

    /// Listens, at the same port as before.
    pub async fn listen(&mut self) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(self.address).unwrap();
        let listener = socket.listen(64).unwrap();
        let (state, tls) = (Arc::clone(&self.state), self.tls.clone());
        self.task = Some(tokio::spawn(serve(listener, state, tls)));
    }

    /// Is away.
    pub fn stop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }

    pub fn set(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn messages(&self) -> Vec<Message> {
        self.state.lock().unwrap().messages.clone()
    }

    pub fn begun(&self) -> usize {
        self.state.lock().unwrap().begun
    }

    /// The messages to an address with this subject.
    pub fn to(&self, address: &str, subject: &str) -> Vec<Message> {
        let mut messages = self.messages();
        messages.retain(|message| message.to == address && message.subject() == subject);
        messages
    }

    /// Waits for the message number `n`, from 1, to an address with this subject.
    pub async fn wait(&self, address: &str, subject: &str, n: usize) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(message) = self.to(address, subject).get(n - 1) {
                return message.clone();
            }
            let seen: Vec<_> = self
                .messages()
                .iter()
                .map(|m| (m.to.clone(), m.subject()))
                .collect();
            assert!(
                Instant::now() < deadline,
                "no {subject:?} to {address}: {seen:?}"
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>, tls: Option<TlsAcceptor>) {
    // Sessions end with the server.
    let mut sessions = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (state, tls) = (Arc::clone(&state), tls.clone());
        sessions.spawn(async move {
            let mut plain = BufReader::new(stream);
            if plain.write_all(b"220 localhost\r\n").await.is_err() {
                return;
            }
            let offers = tls.is_some();
            if session(&mut plain, &state, offers, false).await == Some(()) {
                let stream = plain.into_inner();
                if let Ok(secure) = tls.unwrap().accept(stream).await {
                    session(&mut BufReader::new(secure), &state, false, true).await;
                }
            }
        });
    }
}

/// One session; `Some` when the client wants TLS now.
async fn session<S>(
    stream: &mut BufReader<S>,
    state: &Mutex<State>,
    offers_tls: bool,
    is_tls: bool,
) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut to, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let verb = line.trim_end().to_ascii_uppercase();
        let mood = state.lock().unwrap().mood;
        let answer = if verb.starts_with("EHLO") {
            let offer = if offers_tls { "250-STARTTLS\r\n" } else { "" };
            format!("250-localhost\r\n{offer}250-SMTPUTF8\r\n250 8BITMIME\r\n")
        } else if verb == "STARTTLS" && offers_tls {
            stream.write_all(b"220 go ahead\r\n").await.ok()?;
            return Some(());
        } else if verb.starts_with("RCPT TO:") {
            let start = line.find('<')? + 1;
            to = line[start..line.find('>')?].to_owned();
            match mood {
                Mood::Refuses(code) => format!("{code} 5.1.1 <{to}> not today\r\n"),
                Mood::Takes | Mood::Hangs => "250 ok\r\n".to_owned(),
            }
        } else if verb == "DATA" {
            stream.write_all(b"354 go ahead\r\n").await.ok()?;
            let data = body(stream).await?;
            state.lock().unwrap().begun += 1;
            if mood == Mood::Hangs {
                std::future::pending::<()>().await;
            }
            let to = to.clone();
            let message = Message { to, data, is_tls };
            state.lock().unwrap().messages.push(message);
            "250 taken\r\n".to_owned()
        } else if verb == "QUIT" {
            "221 bye\r\n".to_owned()
        } else {
            "250 ok\r\n".to_owned()
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn body<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut data = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(data);
        }
        data.push_str(line.strip_prefix('.').unwrap_or(&line));
    }
}
