//! The way on after a restore that is behind what was signed, or with another key: a new log begins, under a new name
//! and key, with the events that are left. The former one is never signed again, and stays on record.

use std::path::Path;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Row, Statement, TreeHead};
use serde::Serialize;
use utoipa::ToSchema;

use super::checkpoint::Checkpoint;
use super::note::{SigningKey, VerifierKey};
use super::shared::SharedRecord;
use super::{Notary, NotaryError, row};
use crate::config::{LogConfig, make_signing_key};
use crate::ports::blobs::Blobs;

/// What an operator accepts.
#[derive(Debug, Clone)]
pub struct Acceptance {
    /// Why, for auditors.
    pub reason: String,
    /// The new log's name; by default the former one's with a number behind.
    pub origin: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A log that was given up.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = LogRollback)]
pub struct Rollback {
    /// Its public key.
    former_key: String,
    /// The events of its last signed checkpoint.
    size: u64,
    /// The root of that, in base64 as checkpoints have it.
    root: String,
    /// The events that the new log began with.
    kept_size: u64,
    /// The root over them.
    kept_root: String,
    /// The public key of the log that took its place.
    new_key: String,
    /// What the operator said.
    reason: String,
    /// When.
    at: DateTime<Utc>,
}

/// Every log that was given up, the oldest first.
///
/// # Errors
/// The database failed.
pub async fn rollbacks(database: &Database) -> Result<Vec<Rollback>, DbError> {
    const SQL: &str = "SELECT former_key, size, root, kept_size, kept_root, new_key, reason, at \
                       FROM log_rollbacks ORDER BY at, former_key";
    let rows = database.query(SQL, &[]).await?;
    rows.iter().map(rollback).collect()
}

fn rollback(row: &Row) -> Result<Rollback, DbError> {
    let size =
        |index| u64::try_from(row.int(index)?).map_err(|_| DbError::decode("a negative size"));
    let at = DateTime::from_timestamp_micros(row.int(7)?);
    Ok(Rollback {
        former_key: row.text(0)?,
        size: size(1)?,
        root: STANDARD.encode(row.bytes(2)?),
        kept_size: size(3)?,
        kept_root: STANDARD.encode(row.bytes(4)?),
        new_key: row.text(5)?,
        reason: row.text(6)?,
        at: at.ok_or_else(|| DbError::decode("a time that is none"))?,
    })
}

/// Begins a new log. Cut off at any point, it can be done again.
///
/// # Errors
/// There is nothing to accept, the new name or key is the former one, or something failed.
pub async fn accept(
    database: &Database,
    blobs: &Blobs,
    config: &LogConfig,
    acceptance: &Acceptance,
) -> anyhow::Result<VerifierKey> {
    let notary = Notary::unchecked(database.clone(), blobs.clone(), config);
    if was_cut_off(&notary).await? {
        notary.record.retire("retired")?;
        return Ok(notary.key.public().clone());
    }
    let former = former(&notary, blobs).await?;
    let head = notary.tree.head().await?;
    if former.key == *config.signing_key.public() && is_held(&notary, &former).await? {
        bail!("the log holds everything that was signed: there is nothing to accept");
    }
    let key = new_key(config, &former, acceptance)?;
    let statements = vec![
        remember(&former, head, key.public(), acceptance),
        ("DELETE FROM log_checkpoint".to_owned(), Vec::new()),
    ];
    database.execute(statements).await?;
    let suffix = format!("retired-{}", hex::encode(former.key.id()));
    if config.key_is_own {
        let own = hex::encode(config.signing_key.public().id());
        put_in_place(&config.key_file, &format!("retired-{own}"), &key)?;
    }
    if let Some(folder) = config.tiles_dir.as_deref().filter(|folder| folder.exists()) {
        std::fs::rename(folder, folder.with_added_extension(&suffix))?;
    }
    // Last: as long as it is there, the former key signs nothing. Its record in the blob store stays.
    notary.record.retire(&format!("signed-{suffix}"))?;
    Ok(key.public().clone())
}

/// Whether all is done but that the former log's record is still in its place.
async fn was_cut_off(notary: &Notary) -> anyhow::Result<bool> {
    const SQL: &str = "SELECT 1 FROM log_rollbacks WHERE new_key = $1";
    let key = notary.key.public();
    let Some((recorded, _)) = notary.record.read()? else {
        return Ok(false);
    };
    let params = [key.to_string().into()];
    let accepted = !notary.database.query(SQL, &params).await?.is_empty();
    Ok(accepted && recorded.origin != key.name())
}

/// A log that ends here.
struct Former {
    key: VerifierKey,
    checkpoint: Checkpoint,
}

/// The last checkpoint that was signed, as far as anybody knows.
async fn former(notary: &Notary, blobs: &Blobs) -> anyhow::Result<Former> {
    let own = notary.key.public();
    let stored = row(&notary.database).await?.map(|signed| Former {
        key: signed.key,
        checkpoint: signed.checkpoint,
    });
    let recorded = notary.record.read()?.map(|(checkpoint, _)| Former {
        key: own.clone(),
        checkpoint,
    });
    let other = stored.as_ref().map(|former| &former.key);
    let mut all = Vec::new();
    for key in [Some(own), other.filter(|key| *key != own)]
        .into_iter()
        .flatten()
    {
        let known = SharedRecord::new(blobs.clone(), key).read().await?;
        all.extend(known.trees.into_iter().map(|tree| Former {
            key: key.clone(),
            checkpoint: Checkpoint {
                origin: key.name().to_owned(),
                tree,
            },
        }));
    }
    let all = all.into_iter().chain(recorded).chain(stored);
    let last = all.max_by_key(|former| former.checkpoint.tree.size);
    last.context("nothing was ever signed: there is nothing to accept")
}

async fn is_held(notary: &Notary, former: &Former) -> Result<bool, NotaryError> {
    let row = row(&notary.database).await?;
    let held = async {
        let head = notary.check(row.as_ref()).await?;
        notary.check_shared().await?;
        Ok(head.size >= former.checkpoint.tree.size)
    };
    match held.await {
        Err(NotaryError::Behind { .. } | NotaryError::Differs(_) | NotaryError::Refused(_)) => {
            Ok(false)
        }
        other => other,
    }
}

/// Our own key is made anew, whether it was the log's or not; one that is the operator's they must have replaced.
fn new_key(
    config: &LogConfig,
    former: &Former,
    acceptance: &Acceptance,
) -> anyhow::Result<SigningKey> {
    if config.key_is_own {
        let origin = acceptance.origin.clone();
        let origin = origin.unwrap_or_else(|| next_origin(&former.checkpoint.origin));
        if origin == former.checkpoint.origin {
            bail!("--origin must be a new name: the former log keeps its own");
        }
        return make_signing_key(&origin).context("--origin cannot name a log");
    }
    let key = config.signing_key.public();
    if former.key == *key || former.checkpoint.origin == key.name() {
        bail!(
            "set LOG_SIGNING_KEY to a new key with a new name first: the former log keeps its own"
        );
    }
    SigningKey::parse(&config.signing_key.encode()).context("the key cannot be read")
}

/// `name/2` after `name`, `name/3` after that.
fn next_origin(origin: &str) -> String {
    let numbered = origin.rsplit_once('/');
    let numbered = numbered.and_then(|(name, n)| Some((name, n.parse::<u32>().ok()?)));
    match numbered {
        Some((name, n)) => format!("{name}/{}", n.saturating_add(1)),
        None => format!("{origin}/2"),
    }
}

fn remember(
    former: &Former,
    head: TreeHead,
    new_key: &VerifierKey,
    acceptance: &Acceptance,
) -> Statement {
    const SQL: &str = "INSERT INTO log_rollbacks \
        (former_key, size, root, kept_size, kept_root, new_key, reason, at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (former_key) DO UPDATE SET \
        kept_size = excluded.kept_size, kept_root = excluded.kept_root, new_key = excluded.new_key, \
        reason = excluded.reason, at = excluded.at";
    let Checkpoint { tree, .. } = &former.checkpoint;
    let params = vec![
        former.key.to_string().into(),
        tree.size.into(),
        tree.root.to_vec().into(),
        head.size.into(),
        head.root.to_vec().into(),
        new_key.to_string().into(),
        acceptance.reason.clone().into(),
        acceptance.at.timestamp_micros().into(),
    ];
    (SQL.to_owned(), params)
}

/// The former key is kept beside; at no point is there none.
fn put_in_place(path: &Path, suffix: &str, key: &SigningKey) -> anyhow::Result<()> {
    let kept = path.with_extension(suffix);
    if !kept.exists() {
        std::fs::hard_link(path, kept)?;
    }
    let text = zeroize::Zeroizing::new(format!("{}\n", key.encode().as_str()));
    super::record::write(path, text.as_bytes(), 0o600)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_log_has_a_name_of_its_own() {
        assert_eq!(next_origin("example.com/log"), "example.com/log/2");
        assert_eq!(next_origin("example.com/log/2"), "example.com/log/3");
        assert_eq!(next_origin("example.com"), "example.com/2");
    }
}
