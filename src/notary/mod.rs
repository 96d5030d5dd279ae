//! The notary: signs the log's checkpoints, and never two that contradict each other.
//!
//! What was signed last is kept in the database, in a file beside the key and, for the nodes that know nothing of it, in
//! the blob store, each before a signature is given out. At the start and before each signature the tree must hold all
//! three: where the database is behind or another, nothing is signed and the server does not start. Checkpoints become known by the database's row alone, which only moves
//! forwards, so that several nodes give out one order of checkpoints. A log has one key: a node with another one serves
//! what others sign.

pub mod checkpoint;
pub mod files;
pub mod note;
pub mod record;
pub mod rollback;
mod shared;
pub mod tile_path;
pub mod upkeep;
pub mod verify;
pub mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eventlog::{Database, DbError, Log, Tree, TreeHead};
use tokio::sync::{Mutex, watch};

use crate::config::LogConfig;
use crate::ports::blobs::Blobs;
use checkpoint::Checkpoint;
use note::{SigningKey, VerifierKey};
use record::Record;
use shared::SharedRecord;

/// How often a checkpoint of another node is looked for.
const LOOK: Duration = Duration::from_millis(100);
/// How long a checkpoint that covers a position is waited for.
const WAIT: Duration = Duration::from_secs(2);
/// How often the notary tries again where another node signs at the same time.
const TRIES: usize = 16;

/// Why there is no checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum NotaryError {
    /// The database lacks events that a signed checkpoint covers.
    #[error(
        "the log has {have} events, but a checkpoint over {signed} was signed: the database was set back. Restore a \
         later backup, or see `gatelog log accept-rollback` in docs/guides/verify-the-log.md"
    )]
    Behind {
        /// Events of the database.
        have: u64,
        /// Events of the checkpoint.
        signed: u64,
    },
    /// The database's events are not those of a signed checkpoint.
    #[error(
        "the first {0} events of the log are not those of the checkpoint that was signed over them: the history was \
         changed. Restore a good backup, or see `gatelog log accept-rollback` in docs/guides/verify-the-log.md"
    )]
    Differs(u64),
    /// A witness has seen what this log is not.
    #[error(
        "the witness refuses the checkpoint: it has seen {0} events of another history. Nothing is signed until it \
         signs again; see `gatelog log accept-rollback` in docs/guides/verify-the-log.md"
    )]
    Refused(u64),
    /// The stored tiles do not give the root that the appends arrived at.
    #[error("the tiles of the Merkle tree do not give its root: the database is damaged")]
    Damaged,
    /// The key is not the log's, and whoever has that has not signed so far yet.
    #[error("no checkpoint covers this position yet")]
    NotYet,
    /// A file of the notary.
    #[error("{0}")]
    File(String),
    /// What other nodes have signed cannot be known.
    #[error("what was signed last cannot be read from or written to the blob store: {0}")]
    Store(String),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// A checkpoint that is known to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The log and its tree.
    pub checkpoint: Checkpoint,
    /// The note, as it was given out.
    pub note: String,
    /// The key that the log is signed with.
    pub key: VerifierKey,
}

/// The notary of this node.
#[derive(Debug)]
pub struct Notary {
    key: Arc<SigningKey>,
    tree: Tree,
    database: Database,
    record: Record,
    shared: SharedRecord,
    /// Whether a witness was seen to refuse this log.
    is_refused: AtomicBool,
    /// One signature at a time.
    turn: Mutex<()>,
    latest: watch::Sender<Option<Arc<Signed>>>,
    /// The last one with a witness' signature.
    cosigned: watch::Sender<Option<Arc<Signed>>>,
    /// What the last turn of the upkeep failed with.
    failure: watch::Sender<Option<String>>,
}

impl Notary {
    /// The notary of a log, once the tree is seen to hold what was signed. A blob store that is away keeps it from
    /// signing alone.
    ///
    /// # Errors
    /// It does not, or the database or the file cannot be read.
    pub async fn open(
        database: Database,
        blobs: Blobs,
        config: &LogConfig,
    ) -> Result<Self, NotaryError> {
        let notary = Self::unchecked(database, blobs, config);
        let row = notary.row().await?;
        notary.check(row.as_ref()).await?;
        match notary.open_shared(row.as_ref()).await {
            Err(error @ (NotaryError::Store(_) | NotaryError::Refused(_))) => {
                tracing::error!(%error, "no checkpoint is signed for now");
            }
            other => other?,
        }
        if let Some(signed) = row {
            if signed.key != *notary.key.public() {
                tracing::warn!(
                    log_key = %signed.key,
                    "this node does not sign checkpoints: LOG_SIGNING_KEY is not the log's key"
                );
            }
            notary.adopt(signed).await?;
        }
        Ok(notary)
    }

    /// As [`Self::open`], without a look at what was signed.
    fn unchecked(database: Database, blobs: Blobs, config: &LogConfig) -> Self {
        Self {
            key: Arc::clone(&config.signing_key),
            tree: Tree::new(database.clone()),
            database,
            record: Record::new(config.record_file.clone()),
            shared: SharedRecord::new(blobs, config.signing_key.public()),
            is_refused: AtomicBool::new(false),
            turn: Mutex::default(),
            latest: watch::Sender::new(None),
            cosigned: watch::Sender::new(None),
            failure: watch::Sender::new(None),
        }
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last checkpoint that this node knows.
    pub fn latest(&self) -> Option<Arc<Signed>> {
        self.latest.borrow().clone()
    }

    /// The last checkpoint that a witness has signed as well.
    pub fn cosigned(&self) -> Option<Arc<Signed>> {
        self.cosigned.borrow().clone()
    }

    /// Why checkpoints, their files or cosignatures are not up to date; `None` when they are.
    pub fn failure(&self) -> Option<String> {
        self.failure.borrow().clone()
    }

    /// Keeps what a witness has signed.
    fn keep_cosigned(&self, signed: Signed) {
        self.cosigned.send_replace(Some(Arc::new(signed)));
    }

    /// A checkpoint over at least the first `position` events, which the log has.
    ///
    /// # Errors
    /// See [`NotaryError`].
    pub async fn covering(&self, position: u64) -> Result<Arc<Signed>, NotaryError> {
        let covers = |signed: &Arc<Signed>| signed.checkpoint.tree.size >= position;
        if let Some(signed) = self.latest().filter(covers) {
            return Ok(signed);
        }
        let looked_for = async {
            loop {
                let signed = self.next(covers).await?;
                if covers(&signed) {
                    return Ok(signed);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let waited = tokio::time::timeout(WAIT, looked_for).await;
        waited.map_err(|_| NotaryError::NotYet)?
    }

    /// In its own turn: somebody else's may have brought what is wanted.
    async fn next(
        &self,
        covers: impl Fn(&Arc<Signed>) -> bool,
    ) -> Result<Arc<Signed>, NotaryError> {
        let _turn = self.turn.lock().await;
        match self.latest().filter(covers) {
            Some(signed) => Ok(signed),
            None => self.sign().await,
        }
    }

    /// Signs the tree as it is, when it has grown, or takes over what another node has signed.
    ///
    /// # Errors
    /// See [`NotaryError`].
    pub async fn refresh(&self) -> Result<Arc<Signed>, NotaryError> {
        let _turn = self.turn.lock().await;
        self.sign().await
    }

    async fn sign(&self) -> Result<Arc<Signed>, NotaryError> {
        for _ in 0..TRIES {
            let row = self.row().await?;
            let head = self.check(row.as_ref()).await?;
            if let Some(signed) = row.clone()
                && (signed.key != *self.key.public() || signed.checkpoint.tree.size >= head.size)
            {
                return self.adopt(signed).await;
            }
            let (head, known) = self.claim().await?;
            let signed = self.sign_head(head);
            self.advance_record(&signed).await?;
            if self.publish(row.as_ref(), &signed).await? {
                // What is left there is no fault, and goes the next time.
                let _ = self.shared.forget_before(head.size, &known).await;
                return self.adopt(signed).await;
            }
        }
        Err(NotaryError::NotYet)
    }

    /// Looks at what every node has signed. A store that has nothing of this key yet gets what this node knows.
    async fn open_shared(&self, row: Option<&Signed>) -> Result<(), NotaryError> {
        let (_, known) = self.check_shared().await?;
        let own = self.key.public();
        let row = row.filter(|signed| signed.key == *own);
        let row = row.map(|signed| signed.checkpoint.tree);
        let recorded = self.record.read()?.map(|(checkpoint, _)| checkpoint);
        let recorded = recorded.filter(|recorded| recorded.origin == own.name());
        let recorded = recorded.map(|recorded| recorded.tree);
        let last = row.into_iter().chain(recorded).max_by_key(|tree| tree.size);
        match last.filter(|_| known.is_empty()) {
            Some(last) => self.shared.add(last).await,
            None => Ok(()),
        }
    }

    /// The head, once every node that looks before it signs can see that it is about to be signed, and all that is on
    /// record. Of two that claim what cannot both be held, the later one sees the other's claim.
    async fn claim(&self) -> Result<(TreeHead, Vec<TreeHead>), NotaryError> {
        let (head, mut before) = self.check_shared().await?;
        if !before.contains(&head) {
            self.shared.add(head).await?;
            before.push(head);
        }
        let known = self.shared.read().await?;
        if known.trees.iter().any(|tree| !before.contains(tree)) {
            self.check_shared().await?;
        }
        Ok((head, known.trees))
    }

    /// The head of a tree that holds everything that any node has signed with this key, and what that is.
    async fn check_shared(&self) -> Result<(TreeHead, Vec<TreeHead>), NotaryError> {
        let known = self.shared.read().await?;
        self.is_refused
            .store(known.refused.is_some(), Ordering::Relaxed);
        if let Some(seen) = known.refused {
            return Err(NotaryError::Refused(seen));
        }
        // Read last, as in `check`.
        let head = self.tree.head().await?;
        self.holds(head, known.trees.iter().copied()).await?;
        Ok((head, known.trees))
    }

    /// No node signs any more: a witness has seen more than there is, or something else.
    async fn refuse(&self, seen: u64) -> Result<(), NotaryError> {
        if !self.is_refused.load(Ordering::Relaxed) {
            self.shared.refuse(seen).await?;
            self.is_refused.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The witness has signed a checkpoint of this size.
    async fn accepted(&self, size: u64) -> Result<(), NotaryError> {
        if self.is_refused.load(Ordering::Relaxed) {
            self.shared.accept(size).await?;
        }
        Ok(())
    }

    fn sign_head(&self, tree: TreeHead) -> Signed {
        let origin = self.key.public().name().to_owned();
        let checkpoint = Checkpoint { origin, tree };
        Signed {
            note: self.key.sign(&checkpoint.text()),
            checkpoint,
            key: self.key.public().clone(),
        }
    }

    /// The head of a tree that holds everything that was signed. A tile may be missing where a server of an older
    /// version has written.
    async fn check(&self, row: Option<&Signed>) -> Result<TreeHead, NotaryError> {
        let record = self.record.read()?.map(|(checkpoint, _)| checkpoint.tree);
        let row = row.map(|signed| signed.checkpoint.tree);
        // Read last: it has everything that was signed by then.
        let head = self.tree.head().await?;
        let signed = record.into_iter().chain(row);
        match self.holds(head, signed.clone()).await {
            Err(NotaryError::Database(DbError::Decode(_))) if self.tree.fill().await? > 0 => {
                self.holds(head, signed).await?;
            }
            other => other?,
        }
        Ok(head)
    }

    async fn holds(
        &self,
        head: TreeHead,
        signed: impl Iterator<Item = TreeHead>,
    ) -> Result<(), NotaryError> {
        for signed in signed {
            if signed.size > head.size {
                let (have, signed) = (head.size, signed.size);
                return Err(NotaryError::Behind { have, signed });
            }
            if self.tree.root(signed.size).await? != signed.root {
                return Err(NotaryError::Differs(signed.size));
            }
        }
        if self.tree.root(head.size).await? != head.root {
            return Err(NotaryError::Damaged);
        }
        Ok(())
    }

    /// The checkpoint that is known to everybody.
    async fn row(&self) -> Result<Option<Signed>, NotaryError> {
        row(&self.database).await
    }

    /// False when another node was first.
    async fn publish(&self, before: Option<&Signed>, signed: &Signed) -> Result<bool, NotaryError> {
        const FIRST: &str = "INSERT INTO log_checkpoint (singleton, size, root, note, key) \
                             VALUES (1, $1, $2, $3, $4) ON CONFLICT (singleton) DO NOTHING";
        const NEXT: &str = "UPDATE log_checkpoint SET size = $1, root = $2, note = $3, key = $4 \
             WHERE note = $5 AND size < $1";
        let tree = signed.checkpoint.tree;
        let mut params = vec![
            tree.size.into(),
            tree.root.to_vec().into(),
            signed.note.clone().into(),
            signed.key.to_string().into(),
        ];
        let sql = match before {
            None => FIRST,
            Some(before) => {
                params.push(before.note.clone().into());
                NEXT
            }
        };
        let affected = self
            .database
            .execute(vec![(sql.to_owned(), params)])
            .await?;
        Ok(affected == [1])
    }

    /// Takes over what is in the database.
    async fn adopt(&self, signed: Signed) -> Result<Arc<Signed>, NotaryError> {
        let known = self.latest();
        if let Some(known) = known.filter(|known| known.note == signed.note) {
            return Ok(known);
        }
        self.advance_record(&signed).await?;
        let signed = Arc::new(signed);
        metrics::gauge!("gatelog_log_signed_position").set(float(signed.checkpoint.tree.size));
        self.latest.send_replace(Some(Arc::clone(&signed)));
        Ok(signed)
    }

    async fn advance_record(&self, signed: &Signed) -> Result<(), NotaryError> {
        let (record, signed) = (self.record.clone(), signed.clone());
        let write = move || record.advance(&signed.checkpoint, &signed.note);
        let written = tokio::task::spawn_blocking(write).await;
        written.map_err(|error| NotaryError::File(error.to_string()))?
    }

    /// Signs when the log has grown; and looks, when it has not, whether another node has signed.
    ///
    /// # Errors
    /// See [`NotaryError`].
    pub async fn keep_up(&self, log: &Log) -> Result<Arc<Signed>, NotaryError> {
        let position = *log.watch_head().borrow();
        match self.latest() {
            Some(signed) if signed.checkpoint.tree.size >= position => Ok(signed),
            _ => self.refresh().await,
        }
    }
}

/// The size of the last signed tree; 0 before the first.
///
/// # Errors
/// The database failed.
pub async fn signed_size(database: &Database) -> Result<u64, DbError> {
    let rows = database
        .query("SELECT size FROM log_checkpoint", &[])
        .await?;
    let size = rows.first().map_or(Ok(0), |row| row.int(0))?;
    u64::try_from(size).map_err(|_| DbError::decode("a negative size"))
}

/// The checkpoint that a database has as the last one.
async fn row(database: &Database) -> Result<Option<Signed>, NotaryError> {
    let params: [eventlog::Value; 0] = [];
    let sql = "SELECT note, key FROM log_checkpoint";
    let rows = database.query(sql, &params).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let bad = |reason| NotaryError::File(format!("the stored checkpoint {reason}"));
    let note = row.text(0)?;
    let key: VerifierKey = row.text(1)?.parse().map_err(bad)?;
    let checkpoint = Checkpoint::open(&note, &key).map_err(bad)?;
    Ok(Some(Signed {
        checkpoint,
        note,
        key,
    }))
}

#[expect(clippy::cast_precision_loss, reason = "a metric needs no more")]
fn float(number: u64) -> f64 {
    number as f64
}
