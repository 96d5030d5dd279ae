//! An empty, migrated database of an engine.

use eventlog::Database;
use eventlog::testing::TestPostgres;

/// What is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Engine {
    Postgres,
    Sqlite,
}

impl Engine {
    /// Its name in a result.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
        }
    }
}

/// The database, and what must live as long as it.
pub struct Place {
    pub database: Database,
    pub url: String,
    _folder: Option<tempfile::TempDir>,
    _cluster: Option<TestPostgres>,
}

pub async fn opened(engine: Engine) -> anyhow::Result<Place> {
    let (url, folder, cluster) = match engine {
        Engine::Sqlite => {
            let folder = tempfile::tempdir()?;
            let url = format!("sqlite://{}", folder.path().join("log.db").display());
            (url, Some(folder), None)
        }
        Engine::Postgres => {
            let cluster = TestPostgres::start().map_err(|error| anyhow::anyhow!("{error}"))?;
            let url = cluster.fresh_database().await;
            let url = url.map_err(|error| anyhow::anyhow!("{error}"))?;
            (url, None, Some(cluster))
        }
    };
    let database = Database::open(&url).await?;
    database.migrate().await?;
    Ok(Place {
        database,
        url,
        _folder: folder,
        _cluster: cluster,
    })
}
