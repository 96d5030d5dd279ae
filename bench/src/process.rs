//! The server under measurement, as a process of its own.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

/// A process that ends with its owner.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A release build of the server on SQLite, in a folder of its own.
pub struct Server {
    process: Process,
    _folder: tempfile::TempDir,
    /// Where it listens.
    pub address: SocketAddr,
    /// Where it listens for its operator.
    pub ops: SocketAddr,
}

impl Server {
    /// Starts it with further settings and waits until it listens.
    pub fn start_with(settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (address, ops) = (free_address()?, free_address()?);
        let process = Command::new(std::env::current_exe()?.with_file_name("gatelog"))
            .arg("serve")
            .env("DATA_DIR", folder.path())
            .env("LISTEN_ADDR", address.to_string())
            .env("OPS_LISTEN_ADDR", ops.to_string())
            .envs(settings.iter().copied())
            .stderr(Stdio::null())
            .spawn()
            .context("build the server first: cargo build --release -p gatelog")?;
        let process = Process(process);
        // The ports are bound before the database is open, so a connection alone proves little.
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                bail!("the server does not answer");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(Self {
            process,
            ops,
            _folder: folder,
            address,
        })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

/// An address that nobody else is given before this process ends.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    let port = eventlog::testing::free_port().map_err(|error| anyhow::anyhow!(error))?;
    Ok(SocketAddr::from(([127, 0, 0, 1], port)))
}
