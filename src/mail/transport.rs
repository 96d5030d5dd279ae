//! The way out: an SMTP server, or files for who has none.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use chrono::{DateTime, NaiveDateTime, Utc};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use tokio::io::AsyncWriteExt as _;

use super::message::{file_name, is_file_name};
use crate::config::{MailConfig, SmtpConfig, SmtpTls};

/// How long one message may take. Shorter than the lease of a mail.
const SEND_TIME: Duration = Duration::from_secs(40);

/// How the name of a file says when its mail was written.
const STEM_TIME: &str = "%Y%m%dT%H%M%S";

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

    /// Sends one message; `name` is its file's, see [`file_stem`].
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

impl Transport {
    /// Removes files of mails that were written before `before`: they hold addresses, and tokens of links. What else is
    /// in the folder stays.
    ///
    /// # Errors
    /// The folder cannot be read, or a file not be removed.
    pub async fn sweep(&self, before: SystemTime) -> std::io::Result<()> {
        let Self::Folder(folder) = self else {
            return Ok(());
        };
        let mut files = match tokio::fs::read_dir(folder).await {
            Ok(files) => files,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        while let Some(file) = files.next_entry().await? {
            if is_mail(&file.file_name()) && is_older(&file, before).await? {
                gone(tokio::fs::remove_file(file.path()).await)?;
            }
        }
        Ok(())
    }
}

/// What the file of a mail is called, without its end: when it was written, and who of all mails it is.
pub fn file_stem(written_at: DateTime<Utc>, mail_id: &str) -> String {
    format!("{}-{}", written_at.format(STEM_TIME), file_name(mail_id))
}

fn is_file_stem(stem: &str) -> bool {
    stem.split_once('-').is_some_and(|(time, name)| {
        NaiveDateTime::parse_from_str(time, STEM_TIME).is_ok() && is_file_name(name)
    })
}

/// Whether it is the name of a file, or of a draft, as [`write`] makes it.
fn is_mail(name: &OsStr) -> bool {
    let name = name.to_str().unwrap_or_default();
    let draft = name.strip_prefix('.');
    let draft = draft.and_then(|name| name.strip_suffix(".draft"));
    let stem = name.strip_suffix(".eml").or(draft);
    stem.is_some_and(is_file_stem)
}

async fn is_older(file: &tokio::fs::DirEntry, before: SystemTime) -> std::io::Result<bool> {
    match file.metadata().await {
        Ok(metadata) => Ok(metadata.is_file() && metadata.modified()? < before),
        Err(error) => gone(Err(error)).map(|()| false),
    }
}

/// Another program may have removed it.
fn gone(done: std::io::Result<()>) -> std::io::Result<()> {
    match done {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn aged(path: &Path, hours: u64, now: SystemTime) {
        std::fs::write(path, "x").unwrap();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(now - Duration::from_secs(hours * 3600))
            .unwrap();
    }

    /// They hold addresses and tokens, also those of people who were erased since.
    #[tokio::test]
    async fn files_of_mails_go_after_their_time_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox");
        let transport = Transport::Folder(outbox.clone());
        let now: SystemTime = crate::ports::clock::now().into();
        let day_ago = now - Duration::from_hours(24);
        transport.sweep(day_ago).await.unwrap();
        let name = |mail_id| file_stem(crate::ports::clock::now(), mail_id);
        write(&outbox, &name("old"), b"x").await.unwrap();
        let old = outbox.join(format!("{}.eml", name("old")));
        let draft = outbox.join(format!(".{}.draft", name("draft")));
        let young = outbox.join(format!("{}.eml", name("young")));
        let foreign = ["notes.eml", "2026-notes.eml", "gatelog.db"].map(|name| outbox.join(name));
        for (path, hours) in [(&old, 25), (&draft, 25), (&young, 23)] {
            aged(path, hours, now);
        }
        for path in &foreign {
            aged(path, 25, now);
        }
        transport.sweep(day_ago).await.unwrap();
        assert!(!old.exists() && !draft.exists());
        assert!(young.exists() && foreign.iter().all(|path| path.exists()));
    }
}
