//! The composition root: what the server is made of, put together once.

use std::fs::File;
use std::sync::Arc;

use anyhow::Context as _;

use aggregates::KeptState;
use aggregates::values::UserId;
use eventlog::{CommandContext, Database, Log, LogOptions, Metadata, Snapshotted, Upcasters};
use media_worker::auth::Keys;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::config::Config;
use crate::exports::Exports;
use crate::http::audit::live::LiveStreams;
use crate::idempotency::Idempotency;
use crate::keyring::{Peppers, Vault};
use crate::last_seen::LastSeen;
use crate::mail::Bells;
use crate::mail::transport::Transport;
use crate::notary::Notary;
use crate::policies::dispatch_media_jobs::JobQueue;
use crate::ports::blobs::Blobs;
use crate::ports::passwords::Passwords;
use crate::ports::{clock, ids};
use crate::read_models::ReadModels;
use crate::sign_ins::SignIns;
use crate::tails::Tails;
use crate::throttle::InFlight;
use crate::token_check::{Lease, TokenCheck};
use crate::uploads::plain::PlainUploads;
use crate::uploads::turns::Turns;
use crate::webhooks::WebhookClient;
use crate::workers::Workers;

/// Everything that a request or a policy may need.
#[derive(Debug)]
pub struct App {
    /// The settings.
    pub config: Config,
    /// The database, for queries.
    pub database: Database,
    /// The log.
    pub log: Log,
    /// Sealed secrets.
    pub vault: Vault,
    /// The hot path.
    pub tokens: TokenCheck,
    /// For how long the hot path may believe its memory.
    pub lease: Arc<Lease>,
    /// When each session was last seen.
    pub last_seen: Arc<LastSeen>,
    /// How many sessions accounts opened lately.
    pub sign_ins: SignIns,
    /// Stored answers.
    pub idempotency: Idempotency,
    /// Requests that are worked on to their end, even if their clients hang up.
    pub finishing: TaskTracker,
    /// The passwords that are being looked at, where that is counted in memory.
    pub attempts: Arc<InFlight>,
    /// Password hashing.
    pub passwords: Passwords,
    /// Uploads and outputs.
    pub blobs: Blobs,
    /// Who is at which resumable upload on this node.
    pub uploads: Turns,
    /// The uploads in one request that are under way on this node.
    pub plain_uploads: PlainUploads,
    /// The exports of accounts that are under way on this node.
    pub exports: Exports,
    /// The models that follow the log.
    pub read_models: ReadModels,
    /// Signs the log.
    pub notary: Notary,
    /// What follows the log on this node.
    pub tails: Tails,
    /// The live streams of the log.
    pub live_streams: LiveStreams,
    /// The media jobs that this node drives.
    pub jobs: JobQueue,
    /// The way out for mails.
    pub transport: Transport,
    /// The way out for webhooks.
    pub webhooks: WebhookClient,
    /// What wakes those who see to mails.
    pub bells: Bells,
    /// The media workers.
    pub workers: Workers,
    /// This process, to other nodes.
    pub node_id: Uuid,
    /// Held as long as the server runs, where there may be only one.
    _only_server: Option<File>,
}

/// The log and what it needs, without a server around it; for the command line.
#[derive(Debug)]
pub struct Core {
    /// The database.
    pub database: Database,
    /// The log.
    pub log: Log,
    /// Sealed secrets.
    pub vault: Vault,
}

impl Core {
    /// Opens and migrates the database, and opens the log and the vault.
    ///
    /// # Errors
    /// The database, the migrations, or a master key that is not the database's.
    pub async fn open(config: &Config) -> anyhow::Result<Self> {
        let database = open_database(config).await?;
        let vault = Vault::open(database.clone(), &config.master_keys, clock::now()).await?;
        let options = LogOptions {
            clock: Arc::new(clock::now),
            upcasters: Upcasters::new(aggregates::upcasters()),
            snapshots: aggregates::kept_states().map(snapshotted).into(),
            ..LogOptions::default()
        };
        let log = Log::open(database.clone(), projections::inline(), options).await?;
        Ok(Self {
            database,
            log,
            vault,
        })
    }
}

/// Opens and migrates the database, with the store of the log's segments.
///
/// # Errors
/// The database, the migrations or the store.
pub async fn open_database(config: &Config) -> anyhow::Result<Database> {
    std::fs::create_dir_all(&config.data_dir)?;
    let segments = Blobs::open(&config.media.storage)?;
    let database = Database::open(config.database_url.expose()).await?;
    database.migrate().await?;
    Ok(database.with_archive(Arc::new(segments)))
}

fn snapshotted(state: KeptState) -> Snapshotted {
    Snapshotted {
        aggregate_type: state.aggregate_type,
        shape: state.shape,
        last_events: state.last_events,
    }
}

impl App {
    /// Puts the server together. Nothing is served and no policy runs yet.
    ///
    /// # Errors
    /// Anything that would keep it from serving.
    pub async fn build(config: Config) -> anyhow::Result<Arc<Self>> {
        let only_server = claim_sqlite(&config)?;
        let Core {
            database,
            log,
            vault,
        } = Core::open(&config).await?;
        let blobs = Blobs::open(&config.media.storage)?;
        let notary = Notary::open(database.clone(), blobs.clone(), &config.log).await?;
        let peppers = vault.peppers(&config.passwords).await?;
        tell_about_missing_peppers(&vault, &peppers).await?;
        let node_id = ids::new_id();
        let lease = Arc::new(Lease::new(database.clone(), node_id));
        let tokens = TokenCheck::start(database.clone(), log.clone(), Arc::clone(&lease)).await?;
        let keys = Keys::parse(config.media.worker_secret.expose())?;
        let media = &config.media;
        let workers = Workers::new(&media.worker_endpoints, &keys, media.demands_sandbox)?;
        Ok(Arc::new(Self {
            lease,
            notary,
            tokens,
            last_seen: Arc::new(LastSeen::default()),
            sign_ins: SignIns::default(),
            idempotency: Idempotency::new(database.clone(), vault.clone()),
            finishing: TaskTracker::new(),
            attempts: Arc::default(),
            passwords: Passwords::new(&config.passwords, peppers)?
                .learning(vault.clone(), config.passwords.clone()),
            blobs,
            uploads: Turns::default(),
            read_models: ReadModels::new(&database, &log, projections::tails()).await?,
            tails: Tails::default(),
            live_streams: LiveStreams::default(),
            plain_uploads: PlainUploads::default(),
            exports: Exports::default(),
            jobs: JobQueue::new(config.media.jobs_per_node),
            transport: Transport::new(&config.mail)?,
            webhooks: WebhookClient::new(&config.webhooks)?,
            bells: Bells::default(),
            workers,
            node_id,
            _only_server: only_server,
            config,
            database,
            log,
            vault,
        }))
    }
}

/// People whose hashes need a pepper that is not configured cannot sign in.
async fn tell_about_missing_peppers(vault: &Vault, peppers: &Peppers) -> anyhow::Result<()> {
    for (pepper, passwords) in vault.count_by_pepper().await? {
        let Some(pepper) = pepper else { continue };
        if peppers.find(&hex::decode(&pepper)?).is_none() {
            tracing::error!(
                pepper,
                passwords,
                "passwords need a pepper that is not configured: PASSWORD_PEPPER_FORMER"
            );
        }
    }
    Ok(())
}

/// On SQLite there is one server: its memory of live tokens knows only of its own commits at once. The command line
/// may write beside it.
fn claim_sqlite(config: &Config) -> anyhow::Result<Option<File>> {
    if !config.database_url.expose().starts_with("sqlite://") {
        return Ok(None);
    }
    std::fs::create_dir_all(&config.data_dir)?;
    let file = File::create(config.data_dir.join("server.lock"))?;
    file.try_lock()
        .context("another server runs on this data folder")?;
    Ok(Some(file))
}

/// Who acts and for which request: what goes into the metadata of every event.
#[derive(Debug, Clone, Default)]
pub struct Acting {
    /// The person, or the policy.
    pub actor: Option<String>,
    /// The request's identifier.
    pub request_id: Option<Uuid>,
}

impl Acting {
    /// A policy, by name.
    pub fn policy(name: &str) -> Self {
        Self {
            actor: Some(format!("policy:{name}")),
            request_id: None,
        }
    }

    /// A person, by a request of theirs.
    pub fn person(user: UserId, request_id: Uuid) -> Self {
        Self {
            actor: Some(user.to_string()),
            request_id: Some(request_id),
        }
    }

    /// The context of a new command.
    pub fn command(&self) -> CommandContext {
        CommandContext {
            command_id: ids::new_id(),
            metadata: self.metadata(),
            creates: false,
        }
    }

    /// As [`Self::command`], of one that begins a stream.
    pub fn creating(&self) -> CommandContext {
        CommandContext {
            creates: true,
            ..self.command()
        }
    }

    /// The metadata of the events that result.
    fn metadata(&self) -> Metadata {
        Metadata {
            actor: self.actor.clone(),
            request_id: self.request_id.map(|id| id.to_string()),
        }
    }
}
