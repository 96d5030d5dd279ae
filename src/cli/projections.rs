//! `gatelog projections`: the read models and what else follows the log. Works while servers run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use eventlog::rebuild::{self, Mode, Rebuilt, Verified};
use eventlog::{Projection, TailState};

use crate::app::Core;
use crate::config::Config;
use crate::policies;
use crate::ports::{clock, program};

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints each with its checkpoint, how far it is behind, what it does at the moment, and its rows.
    List,
    /// Makes a read model's rows anew from the log and compares. Fails when they differ.
    Verify {
        /// Which.
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Every read model.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Fills a read model's tables anew, beside the live ones, and puts them in their place.
    Rebuild {
        /// Which.
        name: String,
    },
    /// Stops a tail at its checkpoint, on every node and over restarts.
    Pause {
        /// Which.
        name: String,
    },
    /// Lets a paused tail go on.
    Resume {
        /// Which.
        name: String,
    },
    /// Prints the tails that an event has parked, and why.
    Parked,
    /// Lets a parked tail try its event again.
    Retry {
        /// Which.
        name: String,
    },
}

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let core = Core::open(config).await?;
    let done = execute(&core, command).await;
    core.log.shut_down().await;
    core.database.close().await;
    super::print(&done?)
}

async fn execute(core: &Core, command: Command) -> anyhow::Result<String> {
    match command {
        Command::List => list(core).await,
        Command::Verify { name, .. } => verify(core, name.as_deref()).await,
        Command::Rebuild { name } => {
            let (projection, mode) = find(&name)?;
            let program = program::digest().await?;
            let rebuilt = rebuild::rebuild(&core.database, &core.log, projection, mode, &program);
            Ok(told_rebuilt(&name, &rebuilt.await?))
        }
        Command::Pause { name } => {
            let is_new = core.database.pause_tail(tail(&name)?, clock::now()).await?;
            let word = if is_new { "is" } else { "was" };
            Ok(format!("{name} {word} paused\n"))
        }
        Command::Resume { name } => {
            if !core.database.resume_tail(tail(&name)?).await? {
                bail!("{name} is not paused");
            }
            Ok(format!("{name} goes on\n"))
        }
        Command::Parked => parked(core).await,
        Command::Retry { name } => {
            if !core.database.retry_tail(tail(&name)?).await? {
                bail!("{name} is not parked");
            }
            Ok(format!("{name} tries again\n"))
        }
    }
}

fn read_models() -> Vec<(Arc<dyn Projection>, Mode)> {
    let inline = projections::inline().into_iter();
    let tails = projections::tails().into_iter();
    inline
        .map(|projection| (projection, Mode::Inline))
        .chain(tails.map(|projection| (projection, Mode::Tail)))
        .collect()
}

fn find(name: &str) -> anyhow::Result<(Arc<dyn Projection>, Mode)> {
    let found = read_models()
        .into_iter()
        .find(|(one, _)| one.name() == name);
    found.with_context(|| format!("there is no read model {name}: see gatelog projections list"))
}

/// The name, if it is that of a tail.
fn tail(name: &str) -> anyhow::Result<&str> {
    match find(name) {
        Ok((_, Mode::Tail)) => Ok(name),
        Ok((_, Mode::Inline)) => bail!(
            "{name} is written in the same transaction as the events, so it has no tail to pause or to try again"
        ),
        Err(_) if policies::REACTORS.contains(&name) => Ok(name),
        Err(error) => Err(error),
    }
}

async fn list(core: &Core) -> anyhow::Result<String> {
    let head = core.log.head().await?;
    let states = core.database.tails().await?.into_iter();
    let mut states: BTreeMap<String, TailState> =
        states.map(|state| (state.name.clone(), state)).collect();
    let mut text = line(["NAME", "KIND", "CHECKPOINT", "LAG", "ROWS", "STATE"]);
    for (projection, mode) in read_models() {
        let name = projection.name();
        let state = states.remove(name);
        let (kind, position) = match mode {
            Mode::Inline => ("inline", head),
            Mode::Tail => ("tail", position(state.as_ref())),
        };
        let mut word = word(state.as_ref());
        if rebuild::is_under_way(&core.database, name).await? {
            word += ", rebuilding or being verified";
        }
        let rows = rebuild::rows(&core.database, projection.as_ref()).await?;
        text += &tail_line(name, kind, position, head, &rows.to_string(), &word);
    }
    for name in policies::REACTORS {
        let state = states.remove(name);
        let position = position(state.as_ref());
        text += &tail_line(name, "reactor", position, head, "-", &word(state.as_ref()));
    }
    for (name, state) in states {
        text += &tail_line(
            &name,
            "other",
            state.position,
            head,
            "-",
            &word(Some(&state)),
        );
    }
    Ok(text)
}

fn position(state: Option<&TailState>) -> u64 {
    state.map_or(0, |state| state.position)
}

fn word(state: Option<&TailState>) -> String {
    let paused = state.and_then(|state| state.paused_at);
    match (paused, state.and_then(TailState::parked)) {
        (Some(_), _) => "paused".to_owned(),
        (None, Some(failure)) => {
            format!("parked at {}: {}", failure.position, failure.reason)
        }
        (None, None) => "running".to_owned(),
    }
}

fn tail_line(name: &str, kind: &str, at: u64, head: u64, rows: &str, word: &str) -> String {
    let lag = head.saturating_sub(at).to_string();
    line([name, kind, &at.to_string(), &lag, rows, word])
}

fn line([name, kind, checkpoint, lag, rows, state]: [&str; 6]) -> String {
    format!("{name:<32} {kind:<8} {checkpoint:>12} {lag:>10} {rows:>10}  {state}\n")
}

async fn parked(core: &Core) -> anyhow::Result<String> {
    let mut text = String::new();
    for state in core.database.tails().await? {
        if let Some(failure) = state.parked() {
            writeln!(
                text,
                "{}: parked at position {} (event {}) after {} tries: {}",
                state.name, failure.position, failure.event_id, failure.attempts, failure.reason
            )?;
        }
    }
    Ok(text)
}

async fn verify(core: &Core, name: Option<&str>) -> anyhow::Result<String> {
    let wanted = match name {
        Some(name) => vec![find(name)?],
        None => read_models(),
    };
    let (mut text, mut wrong) = (String::new(), Vec::new());
    for (projection, mode) in wanted {
        let name = projection.name();
        let verified = rebuild::verify(&core.database, &core.log, projection, mode);
        let verified = verified.await.with_context(|| name.to_owned())?;
        text += &told(name, &verified);
        if verified.different > 0 {
            wrong.push(name);
        }
    }
    if wrong.is_empty() {
        return Ok(text);
    }
    super::print(&text)?;
    bail!("not what the log makes: {}", wrong.join(", "))
}

fn told_rebuilt(name: &str, rebuilt: &Rebuilt) -> String {
    let (position, rows) = (rebuilt.position, rebuilt.rows);
    let text = format!("{name} is rebuilt up to position {position}: {rows} rows\n");
    match rebuilt.went_on_from {
        Some(position) => {
            format!("it went on from position {position}, where another one had ended\n{text}")
        }
        None => text,
    }
}

fn told(name: &str, verified: &Verified) -> String {
    let (rows, position) = (verified.rows, verified.position);
    let live = hex::encode(verified.live);
    if verified.different == 0 {
        return format!(
            "{name}: {rows} rows at position {position} are as the log makes them ({live})\n"
        );
    }
    let keys = verified.keys.join("\n  ");
    let (log, different) = (hex::encode(verified.log), verified.different);
    format!(
        "{name}: {different} rows differ at position {position}; table {live}, log {log}; the first:\n  {keys}\n"
    )
}
