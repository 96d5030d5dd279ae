//! `gatelog doctor`: looks at everything that the server depends on, and says what to do. It changes nothing, but for
//! what loading the settings makes on a first start. Works while the server runs.

mod database;
mod finding;
mod machine;
mod services;

use anyhow::bail;

use crate::config::{Config, Source};

use finding::{Finding, Level};

/// Looks, prints a line for each thing, and fails when one of them fails.
///
/// # Errors
/// How many things fail.
pub async fn run(source: anyhow::Result<Source>, as_json: bool) -> anyhow::Result<()> {
    let findings = match settings(source) {
        Ok(config) => look(&config).await,
        Err(error) => {
            let detail = format!("{error:#}");
            let advice = "mend the setting that is named; nothing else could be looked at";
            vec![Finding::fail("settings", detail, advice)]
        }
    };
    let text = if as_json {
        finding::as_json(&findings)? + "\n"
    } else {
        finding::as_lines(&findings)
    };
    super::print(&text)?;
    let failing = findings.iter().filter(|one| one.level == Level::Fail);
    match failing.count() {
        0 => Ok(()),
        1 => bail!("1 check fails"),
        more => bail!("{more} checks fail"),
    }
}

fn settings(source: anyhow::Result<Source>) -> anyhow::Result<Config> {
    Ok(Config::load(&source?)?)
}

async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("settings", "every setting is good".to_owned())];
    findings.extend(machine::keys(config));
    findings.extend(machine::disk(config));
    findings.extend(database::look(config).await);
    let (blobs, workers, mail) = tokio::join!(
        services::blobs(config),
        services::workers(config),
        services::mail(config),
    );
    findings.push(blobs);
    findings.extend(workers);
    findings.push(mail);
    findings
}
