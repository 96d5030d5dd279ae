//! Accepts connections: a bounded number of them, each with a bounded time for its headers.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::StartError;
use crate::endpoint::Endpoint;

const MAX_CONNECTIONS: usize = 256;
/// How long a connection may take for the headers of its next call, idle time included.
const HEADER_TIMEOUT: Duration = Duration::from_mins(1);
/// After a failure to accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(super) struct Listener {
    socket: Socket,
    /// Held for as long as the worker serves: the claim on the folder for jobs.
    _claim: File,
}

enum Socket {
    Unix {
        listener: UnixListener,
        path: PathBuf,
    },
    Tcp(TcpListener),
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

impl Listener {
    pub(super) fn bind(endpoint: &Endpoint, claim: File) -> Result<Self, StartError> {
        if !endpoint.is_local() {
            return Err(StartError::PublicAddress);
        }
        let socket = match endpoint {
            Endpoint::Unix(path) => bind_unix(path),
            Endpoint::Tcp(address) => bind_tcp(*address),
        };
        Ok(Self {
            socket: socket.map_err(StartError::Listen)?,
            _claim: claim,
        })
    }

    /// Where it really listens: the port that was chosen, when the caller left that open.
    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        match &self.socket {
            Socket::Unix { path, .. } => Some(Endpoint::Unix(path.clone())),
            Socket::Tcp(listener) => listener.local_addr().ok().map(Endpoint::Tcp),
        }
    }

    /// Serves until `stop`, then lets open calls end for at most `goodbye`.
    pub(super) async fn serve(self, router: Router, stop: CancellationToken, goodbye: Duration) {
        let connections = TaskTracker::new();
        let graceful = GracefulShutdown::new();
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        loop {
            let (stream, permit) = tokio::select! {
                () = stop.cancelled() => break,
                accepted = self.accept(&permits) => accepted,
            };
            let service = TowerToHyperService::new(router.clone());
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT);
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            let connection = graceful.watch(connection);
            connections.spawn(async move {
                // A caller that goes away is no news; what it meant for a job is handled there.
                let _ = connection.await;
                drop(permit);
            });
        }
        if let Socket::Unix { path, .. } = &self.socket {
            // A socket that was removed by somebody else is removed.
            let _ = std::fs::remove_file(path);
        }
        if timeout(goodbye, graceful.shutdown()).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
    }

    async fn accept(&self, permits: &Arc<Semaphore>) -> (Box<dyn Stream>, OwnedSemaphorePermit) {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(permits).acquire_owned().await else {
                return std::future::pending().await;
            };
            let accepted: io::Result<Box<dyn Stream>> = match &self.socket {
                Socket::Unix { listener, .. } => listener
                    .accept()
                    .await
                    .map(|(stream, _)| Box::new(stream) as Box<dyn Stream>),
                Socket::Tcp(listener) => listener.accept().await.and_then(|(stream, _)| {
                    // An answer in pieces must not wait until the one before was acknowledged.
                    stream.set_nodelay(true)?;
                    Ok(Box::new(stream) as Box<dyn Stream>)
                }),
            };
            match accepted {
                Ok(stream) => return (stream, permit),
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Replaces a socket that an earlier worker left, but nothing else.
fn bind_unix(path: &Path) -> io::Result<Socket> {
    if std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    // The process's umask leaves it to its owner from the first moment.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(Socket::Unix {
        listener,
        path: path.to_owned(),
    })
}

fn bind_tcp(address: std::net::SocketAddr) -> io::Result<Socket> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Socket::Tcp)
}
