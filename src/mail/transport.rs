//! The way out: an SMTP server, or files for who has none.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::io::AsyncWriteExt as _;

use crate::config::{MailConfig, SmtpConfig, SmtpTls};

/// How long one message may take. Shorter than the lease of a mail.
const SEND_TIME: Duration = Duration::from_secs(40);

/// Why a message did not leave. What a server says may quote the address, so of its answer only the number is kept.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The server will not take this message, now or later.
    #[error("the server refused the mail for good, with {0}")]
    Refused(String),
    /// It may, another time.
    #[error("{0}")]
    NotNow(String),
}

/// Sends messages.
#[derive(Debug)]
pub enum Transport {
    /// By SMTP.
    Smtp(Box<AsyncSmtpTransport<Tokio1Executor>>),
    /// As files of this folder.
    Folder(PathBuf),
}

impl Transport {
    /// As the settings say. Nothing is connected yet.
    ///
    /// # Errors
    /// A certificate that is none.
    pub fn new(config: &MailConfig) -> anyhow::Result<Self> {
        let Some(smtp) = &config.smtp else {
            return Ok(Self::Folder(config.folder.clone()));
        };
        let tls = match smtp.tls {
            SmtpTls::None => Tls::None,
            SmtpTls::StartTls => Tls::Required(tls_parameters(smtp)?),
            SmtpTls::Implicit => Tls::Wrapper(tls_parameters(smtp)?),
        };
        let hello = ClientId::Domain(config.from.email.domain().to_owned());
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&smtp.host)
            .port(smtp.port)
            .tls(tls)
            .hello_name(hello)
            .timeout(Some(SEND_TIME / 2));
        if let Some((user, password)) = &smtp.credentials {
            let password = password.expose().to_owned();
            builder = builder.credentials(Credentials::new(user.clone(), password));
        }
        Ok(Self::Smtp(Box::new(builder.build())))
    }

    /// Sends one message; `name` is its file's.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send(&self, message: Message, name: &str) -> Result<(), SendError> {
        let sent = async {
            match self {
                Self::Smtp(smtp) => smtp
                    .send(message)
                    .await
                    .map(|_| ())
                    .map_err(|error| refusal(&error)),
                Self::Folder(folder) => {
                    let written = write(folder, name, &message.formatted()).await;
                    written.map_err(|error| SendError::NotNow(error.to_string()))
                }
            }
        };
        tokio::time::timeout(SEND_TIME, sent)
            .await
            .unwrap_or_else(|_| Err(SendError::NotNow("the server took too long".to_owned())))
    }
}

fn tls_parameters(smtp: &SmtpConfig) -> anyhow::Result<TlsParameters> {
    let mut builder = TlsParameters::builder(smtp.host.clone());
    if let Some(pem) = &smtp.authorities {
        let certificate = Certificate::from_pem(pem);
        builder = builder.add_root_certificate(certificate.ok().context("SMTP_CA_FILE")?);
    }
    builder.build_rustls().context("SMTP_URL: TLS")
}

/// A refusal for good is one of the message or the recipient; one of our credentials is the operator's to mend.
fn refusal(error: &lettre::transport::smtp::Error) -> SendError {
    let Some(code) = error.status() else {
        return SendError::NotNow(error.to_string());
    };
    let code = code.to_string();
    let is_ours = matches!(code.as_str(), "530" | "534" | "535" | "538");
    if error.is_permanent() && !is_ours {
        return SendError::Refused(code);
    }
    SendError::NotNow(format!("the server answered {code}"))
}

/// Written beside and moved into place: a reader never sees half a mail.
async fn write(folder: &Path, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    if !folder.is_dir() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let draft = folder.join(format!(".{name}.draft"));
    let mut options = tokio::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)
        .await?;
    file.write_all(bytes).await?;
    file.sync_all().await?;
    tokio::fs::rename(&draft, folder.join(format!("{name}.eml"))).await?;
    tokio::fs::File::open(folder).await?.sync_all().await
}
