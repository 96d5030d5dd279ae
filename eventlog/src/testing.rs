//! A real PostgreSQL for tests: one cluster a test process, in a temporary folder, on a free loopback port, as a
//! user that is not root. It ends with the test process, also when that is killed: a watchdog waits on a pipe
//! that the process's end closes.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Ports for tests: below those that the kernel gives to outgoing connections.
const PORTS: std::ops::Range<u16> = 15_000..32_000;

/// The cluster of this test process.
#[derive(Debug)]
pub struct TestPostgres {
    folder: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// Held open for the watchdog.
    _watchdog: std::process::Child,
}

/// Anything that keeps a test from having its database.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

impl TestPostgres {
    /// The cluster, started at the first call.
    ///
    /// # Errors
    /// PostgreSQL is not installed or does not start.
    pub fn shared() -> Result<&'static Self, Failure> {
        static SHARED: OnceLock<Result<TestPostgres, String>> = OnceLock::new();
        let shared = SHARED.get_or_init(|| Self::start().map_err(|error| error.to_string()));
        shared.as_ref().map_err(|error| error.clone().into())
    }

    /// A cluster of its own, which a test may kill.
    ///
    /// # Errors
    /// PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("gatelog-postgres-")
            .tempdir()?
            .keep();
        let port = free_port()?;
        if is_root() {
            run(Command::new("chown").arg("nobody").arg(&folder))?;
        }
        let data = folder.join("data");
        run(as_user("cp")?.arg("-a").arg(initialised()?).arg(&data))?;
        let watchdog = watchdog(&folder)?;
        let cluster = Self {
            folder,
            port,
            databases: AtomicU32::new(0),
            _watchdog: watchdog,
        };
        cluster.restart()?;
        Ok(cluster)
    }

    /// Starts the server processes; after [`Self::kill`], with recovery.
    ///
    /// # Errors
    /// It does not start.
    pub fn restart(&self) -> Result<(), Failure> {
        let settings = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c max_connections=200 \
             -c fsync=on -c shared_buffers=64MB",
            self.port
        );
        run(as_user("pg_ctl")?
            .arg("-D")
            .arg(self.data())
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-w", "-t", "60", "-o", &settings, "start"]))
    }

    /// Ends the server processes at once, without a checkpoint, as a crash does.
    ///
    /// # Errors
    /// There is nothing to end.
    pub fn kill(&self) -> Result<(), Failure> {
        run(as_user("pg_ctl")?
            .arg("-D")
            .arg(self.data())
            .args(["-m", "immediate", "-w", "stop"]))
    }

    /// The URL of a new, empty database.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn fresh_database(&self) -> Result<String, Failure> {
        use sqlx::{Connection as _, Executor as _};
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::SeqCst));
        let mut connection = sqlx::PgConnection::connect(&self.url("postgres")).await?;
        connection
            .execute(format!("CREATE DATABASE {name}").as_str())
            .await?;
        connection.close().await?;
        Ok(self.url(&name))
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

/// A port of loopback that nobody listens on. No other test process is given it before this one ends: each port that is
/// in use has a locked file.
///
/// # Errors
/// The files cannot be made, or all ports are in use.
pub fn free_port() -> Result<u16, Failure> {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let folder = std::env::temp_dir().join(format!("gatelog-test-ports-{}", user()?));
    std::fs::create_dir_all(&folder)?;
    let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    // Processes begin at different places, so that few look at the same ports.
    let first = std::process::id().wrapping_mul(37) as usize + held.len();
    let ports = PORTS.cycle().skip(first % PORTS.len()).take(PORTS.len());
    for port in ports {
        let file = File::create(folder.join(port.to_string()))?;
        if file.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            held.push(file);
            return Ok(port);
        }
    }
    Err("every port is in use".into())
}

/// The number of the user that this process runs as.
fn user() -> std::io::Result<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Ok(std::fs::metadata("/proc/self")?.uid())
}

/// Moves everything out of the write-ahead log of a SQLite database, which the database's own readers may not.
///
/// # Errors
/// It is no database, or somebody reads what is to be moved.
pub fn checkpoint_sqlite(file: &Path) -> Result<(), Failure> {
    let connection = rusqlite::Connection::open(file)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    let sql = "PRAGMA wal_checkpoint(TRUNCATE)";
    let is_busy: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    if is_busy != 0 {
        return Err("the write-ahead log is in use".into());
    }
    Ok(())
}

/// Waits until its standard input ends, then stops the cluster and removes the folder.
fn watchdog(folder: &Path) -> Result<std::process::Child, Failure> {
    const SCRIPT: &str =
        "cat >/dev/null; \"$@\" -m immediate stop >/dev/null 2>&1; rm -rf \"$FOLDER\"";
    let stop = as_user("pg_ctl")?;
    let mut shell = Command::new("sh");
    shell
        .args(["-c", SCRIPT, "watchdog"])
        .arg(stop.get_program())
        .args(stop.get_args());
    shell
        .arg("-D")
        .arg(folder.join("data"))
        .env("FOLDER", folder);
    // In a group of its own: what ends the test's group must not end its watchdog.
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    Ok(shell
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?)
}

/// The files of a new cluster, to be copied. They are made once for all test processes, which takes three times as long
/// as a copy, and stay for the next run.
fn initialised() -> Result<PathBuf, Failure> {
    let version = Command::new(find("initdb").unwrap_or_default())
        .arg("--version")
        .output()?;
    let version = String::from_utf8(version.stdout)?;
    let version = version
        .trim()
        .replace(|one: char| !one.is_alphanumeric(), "-");
    let folder = std::env::temp_dir().join(format!("gatelog-test-clusters-{}", user()?));
    std::fs::create_dir_all(&folder)?;
    if is_root() {
        run(Command::new("chown").arg("nobody").arg(&folder))?;
    }
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let (cluster, draft) = (folder.join(&version), folder.join("draft"));
    if !cluster.exists() {
        // What a process that was killed has left.
        run(Command::new("rm").arg("-rf").arg(&draft))?;
        let settings = "-U postgres -A trust -E UTF8 --no-sync --wal-segsize=1";
        run(as_user("initdb")?
            .arg("-D")
            .arg(&draft)
            .args(settings.split(' ')))?;
        std::fs::rename(&draft, &cluster)?;
    }
    Ok(cluster)
}

/// A program of PostgreSQL's or of the system's, as a user that PostgreSQL accepts.
fn as_user(program: &str) -> Result<Command, Failure> {
    let path = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    if !is_root() {
        return Ok(Command::new(path));
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(path);
    Ok(command)
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// On Debian the programs are beside one another in a folder of their version; elsewhere on the PATH.
fn find(program: &str) -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(program))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    let on_path = || {
        let which = Command::new("sh")
            .args(["-c", "command -v \"$0\"", program])
            .output()
            .ok()?;
        let path = String::from_utf8(which.stdout).ok()?;
        (!path.trim().is_empty()).then(|| PathBuf::from(path.trim()))
    };
    found.pop().or_else(on_path)
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if output.success() {
        return Ok(());
    }
    Err(format!("{} failed: {output}", command.get_program().display()).into())
}
