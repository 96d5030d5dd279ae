//! `gatelog admin`: accounts with roles. Works while the server runs.

use std::io::BufRead as _;

use aggregates::values::{EmailAddress, Password, PasswordFailure, Role, UserId};
use anyhow::{Context as _, bail};
use clap::Subcommand;
use projections::{email_claims, users};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::accounts::{self, NewAccount};
use crate::app::{Acting, Core};
use crate::config::Config;
use crate::keyring::Peppers;
use crate::ports::ids;
use crate::ports::passwords::{Passwords, broken_rules};
use crate::revocation::{self, Kept};
use crate::token_check::Lease;
use crate::{administration, second_factor};

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
    /// Gives an account a role.
    Grant(Grant),
    /// Takes a role from an account; the last administrator keeps theirs.
    Revoke(Grant),
    /// Turns an account's second factor off, for somebody who lost their device and their recovery codes.
    ResetTotp {
        /// The address.
        #[arg(long)]
        email: String,
    },
    /// Ends every session of every account, such as when tokens may have leaked; says how many. Again: those that are left.
    EndAllSessions {
        /// The identifier of an account whose sessions go on.
        #[arg(long, value_name = "ID")]
        except_user: Option<Uuid>,
    },
}

/// A role of an account.
#[derive(Debug, clap::Args)]
pub struct Grant {
    /// The address.
    #[arg(long)]
    email: String,
    /// `admin` or `auditor`.
    #[arg(long)]
    role: Role,
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { email, role } => create(config, &email, role).await,
        Command::Grant(grant) => change_role(config, &grant, true).await,
        Command::Revoke(grant) => change_role(config, &grant, false).await,
        Command::ResetTotp { email } => reset_totp(config, &email).await,
        Command::EndAllSessions { except_user } => end_all_sessions(config, except_user).await,
    }
}

async fn create(config: &Config, email: &str, roles: Vec<Role>) -> anyhow::Result<()> {
    let email = address(email)?;
    let password = Password::new(&read_password()?);
    let passwords = Passwords::new(
        &config.passwords,
        Peppers::load(&config.master_keys, &config.passwords),
    )?;
    let identity = accounts::identity(Some(&email), None);
    let mut failures = broken_rules(&config.passwords.policy, &password, &identity);
    if failures.is_empty() && passwords.is_guessable(&password, identity).await? {
        failures.push(PasswordFailure::TooCommon);
    }
    if !failures.is_empty() {
        let reasons: Vec<String> = failures.into_iter().map(PasswordFailure::message).collect();
        bail!("the password {}", reasons.join("; "));
    }
    let core = Core::open(config).await?;
    let hash = passwords.hash(password).await?;
    let account = NewAccount {
        email,
        name: None,
        roles,
        is_email_verified: false,
    };
    let registered = accounts::register(&core.log, &core.vault, &account, &hash, &acting()).await?;
    // Should this not come to pass, the server does it.
    administration::seat(&core.log, registered.user_id, &acting()).await?;
    close(core).await;
    super::print(&format!("{}\n", registered.user_id))
}

async fn change_role(config: &Config, grant: &Grant, is_granted: bool) -> anyhow::Result<()> {
    let email = address(&grant.email)?;
    let core = Core::open(config).await?;
    let user = find(&core, &email).await?;
    let position =
        administration::change_role(&core.log, user, grant.role, is_granted, &acting()).await?;
    settle(&core, position).await?;
    close(core).await;
    super::print(&format!("{user}\n"))
}

async fn reset_totp(config: &Config, email: &str) -> anyhow::Result<()> {
    let email = address(email)?;
    let core = Core::open(config).await?;
    let user = find(&core, &email).await?;
    let row = users::find(&core.database, user).await?;
    let row = row.context("there is no such account")?;
    second_factor::disable(&core.log, &core.vault, &row, &acting()).await?;
    close(core).await;
    super::print(&format!("{user}\n"))
}

async fn end_all_sessions(config: &Config, except: Option<Uuid>) -> anyhow::Result<()> {
    let core = Core::open(config).await?;
    let kept = match except.map(UserId::from) {
        Some(user) => {
            let account = users::find(&core.database, user).await?;
            account.context("there is no account with this identifier")?;
            Kept::User(user)
        }
        None => Kept::Nothing,
    };
    let revoked =
        revocation::revoke_everywhere(&core.log, &core.database, kept, &acting(), None).await?;
    settle(&core, Some(core.log.head().await?)).await?;
    close(core).await;
    super::print(&format!("{}\n", revoked.count))
}

fn acting() -> Acting {
    Acting {
        actor: Some("command-line".to_owned()),
        request_id: None,
    }
}

fn address(text: &str) -> anyhow::Result<EmailAddress> {
    EmailAddress::parse(text).map_err(|error| anyhow::anyhow!("--email: {}", error.message))
}

async fn find(core: &Core, email: &EmailAddress) -> anyhow::Result<UserId> {
    let claim = core.vault.keyring().email_claim_id(email);
    let account = email_claims::account(&core.database, claim).await?;
    let account = account.context("there is no account with this address")?;
    Ok(account.user_id)
}

/// Waits until every node goes by what was written. A server on SQLite reads it within a second.
async fn settle(core: &Core, position: Option<u64>) -> anyhow::Result<()> {
    if let Some(position) = position {
        let lease = Lease::new(core.database.clone(), ids::new_id());
        lease.settle(position).await?;
    }
    Ok(())
}

async fn close(core: Core) {
    core.log.shut_down().await;
    core.database.close().await;
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
