//! `gatelog admin`: accounts with roles. Works while the server runs.

use std::io::BufRead as _;

use aggregates::values::{EmailAddress, Password, Role};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use zeroize::Zeroizing;

use crate::accounts::{self, NewAccount};
use crate::app::{Acting, Core};
use crate::config::Config;
use crate::keyring::Peppers;
use crate::ports::passwords::Passwords;

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes an account; the password is read from standard input.
    Create {
        /// The address.
        #[arg(long)]
        email: String,
        /// `admin` or `auditor`; may be given twice.
        #[arg(long, required = true)]
        role: Vec<Role>,
    },
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let Command::Create { email, role } = command;
    let email = EmailAddress::parse(&email)
        .map_err(|error| anyhow::anyhow!("--email: {}", error.message))?;
    let password = Password::new(&read_password()?);
    let passwords = Passwords::new(
        &config.passwords,
        Peppers::load(&config.master_key, &config.passwords),
    )?;
    let identity = accounts::identity(Some(&email), None);
    let policy = &config.passwords.policy;
    let failures = passwords.failures(policy, &password, identity).await?;
    if !failures.is_empty() {
        let reasons: Vec<String> = failures
            .into_iter()
            .map(aggregates::values::PasswordFailure::message)
            .collect();
        bail!("the password {}", reasons.join("; "));
    }
    let core = Core::open(config).await?;
    let hash = passwords.hash(password).await?;
    let account = NewAccount {
        email,
        name: None,
        roles: role,
    };
    let acting = Acting {
        actor: Some("command-line".to_owned()),
        request_id: None,
    };
    let registered = accounts::register(&core.log, &core.vault, &account, &hash, &acting).await?;
    core.log.shut_down().await;
    core.database.close().await;
    super::print(&format!("{}\n", registered.user_id))
}

/// The first line of standard input.
fn read_password() -> anyhow::Result<Zeroizing<String>> {
    let mut line = Zeroizing::new(String::new());
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .context("the password on standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("give the password on standard input");
    }
    Ok(Zeroizing::new(password.to_owned()))
}
