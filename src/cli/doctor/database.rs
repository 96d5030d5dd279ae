//! The database: reachable, migrated, opened by this master key; its clock; and what follows the log.

use std::cmp::Ordering;
use std::path::Path;
use std::time::Duration;

use chrono::TimeDelta;
use eventlog::{Database, DbError, Engine, TailState};
use tokio::time::timeout;

use super::finding::Finding;
use crate::config::Config;
use crate::keyring::Vault;
use crate::ports::clock;

const PATIENCE: Duration = Duration::from_secs(10);
/// The lease of a node is a second; clocks that differ by more than this also confuse people.
const SKEW: TimeDelta = TimeDelta::seconds(2);

/// Everything about it. What cannot be looked at because of what fails before is left out.
pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let url = config.database_url.expose();
    let file = url.strip_prefix("sqlite://").map(Path::new);
    if file.is_some_and(|file| !file.exists()) {
        let detail = "there is none yet".to_owned();
        let advice = "gatelog migrate makes it, and so does gatelog serve";
        return vec![Finding::warn("database", detail, advice)];
    }
    match timeout(PATIENCE, Database::open(url)).await {
        Ok(Ok(database)) => {
            let findings = timeout(PATIENCE, look_at(config, &database)).await;
            database.close().await;
            findings.unwrap_or_else(|_| vec![unreachable("it does not answer in time")])
        }
        Ok(Err(error)) => vec![unreachable(&error.to_string())],
        Err(_) => vec![unreachable("it does not answer in time")],
    }
}

fn unreachable(detail: &str) -> Finding {
    let advice = "see that it runs, and that DATABASE_URL and its password are right";
    Finding::fail("database", detail.to_owned(), advice)
}

async fn look_at(config: &Config, database: &Database) -> Vec<Finding> {
    let schema = match schema(database).await {
        Ok(finding) => finding,
        Err(error) => return vec![unreachable(&error.to_string())],
    };
    if schema.level != super::Level::Ok {
        return vec![schema];
    }
    let (key, clock, tails) = (
        master_key(config, database).await,
        clock(database).await,
        tails(database).await,
    );
    let mut findings = vec![schema, key];
    for looked in [clock, tails] {
        findings.push(looked.unwrap_or_else(|error| unreachable(&error.to_string())));
    }
    findings
}

async fn schema(database: &Database) -> Result<Finding, DbError> {
    let engine = match database.engine() {
        Engine::Sqlite => "SQLite",
        Engine::Postgres => "PostgreSQL",
    };
    let (found, wanted) = (database.schema().await?, database.newest_schema());
    Ok(match found.cmp(&wanted) {
        Ordering::Equal => {
            let detail = format!("{engine} answers, with schema {found}");
            Finding::ok("database", detail)
        }
        Ordering::Less => {
            let detail = format!("{engine} has schema {found}, and this program is for {wanted}");
            Finding::fail("database", detail, "back it up, then run gatelog migrate")
        }
        Ordering::Greater => {
            let detail = format!("{engine} has schema {found}, which is newer than {wanted}");
            let advice = "use the gatelog that migrated it, or a newer one";
            Finding::fail("database", detail, advice)
        }
    })
}

async fn master_key(config: &Config, database: &Database) -> Finding {
    match Vault::open(database.clone(), &config.master_keys, clock::now()).await {
        Ok(_) => Finding::ok("master key", "it opens the vault".to_owned()),
        Err(error) => {
            let advice = "give the master key that this database was made with";
            Finding::fail("master key", error.to_string(), advice)
        }
    }
}

/// Against PostgreSQL's clock, and against the newest event: time does not go back.
async fn clock(database: &Database) -> Result<Finding, DbError> {
    let advice = "synchronise the clock (NTP): codes, links and sessions depend on it";
    if let Some(theirs) = database.clock().await? {
        let skew = clock::now() - theirs;
        if skew.abs() > SKEW {
            let detail = format!(
                "this machine and PostgreSQL differ by {} s",
                skew.abs().num_seconds()
            );
            return Ok(Finding::warn("clock", detail, advice));
        }
    }
    let now = clock::now();
    let last = database.last_recorded_at().await?;
    Ok(match last {
        Some(last) if last - now > SKEW => {
            let [now, last] = [now, last].map(|time| time.format("%FT%TZ"));
            let detail = format!("it is {now}, and an event was recorded at {last}");
            Finding::fail("clock", detail, advice)
        }
        _ => Finding::ok("clock", format!("it is {}", now.format("%FT%TZ"))),
    })
}

async fn tails(database: &Database) -> Result<Finding, DbError> {
    let tails = database.tails().await?;
    let named = |is: fn(&TailState) -> bool| {
        let names = tails.iter().filter(|tail| is(tail));
        names
            .map(|tail| tail.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let parked = named(|tail| tail.parked().is_some());
    let paused = named(|tail| tail.paused_at.is_some());
    Ok(if !parked.is_empty() {
        let advice =
            "see gatelog projections parked, mend the cause, then gatelog projections retry";
        Finding::fail("tails", format!("parked at an event: {parked}"), advice)
    } else if !paused.is_empty() {
        let advice = "gatelog projections resume lets them go on";
        Finding::warn("tails", format!("paused: {paused}"), advice)
    } else {
        Finding::ok("tails", format!("{} follow the log", tails.len()))
    })
}
