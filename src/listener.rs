//! The public listener: a bounded number of connections, each with a bounded time for the headers of its next request.
//!
//! It hands whole requests to the service and decides nothing about them.

mod patience;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt as _};

use patience::Patient;

/// More connections wait in the operating system's queue.
const MAX_CONNECTIONS: usize = 16_384;
/// After a failure to accept, most likely for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A request as it comes in. What most requests need besides is made only for those: the hot path does without.
#[derive(Debug)]
pub struct Arrival {
    /// Whoever is at the other end of the connection.
    pub peer: SocketAddr,
    /// The request.
    pub request: http::Request<Incoming>,
}

impl Arrival {
    /// The request for the router and its handlers.
    pub fn into_request(self) -> Request {
        let mut request = self.request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request
    }
}

/// Serves until `stop`, then until every request under way is answered. Dropping the future cuts the rest off.
///
/// `patience` is what a connection has for the headers of its next request, idle time included, and for taking some more
/// of an answer.
pub async fn serve<S>(
    listener: TcpListener,
    service: S,
    patience: Duration,
    stop: CancellationToken,
) where
    S: Service<Arrival, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let (stream, peer, permit) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let service = service
            .clone()
            .map_request(move |request| Arrival { peer, request });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(patience);
        let connection = builder.serve_connection(
            TokioIo::new(Patient::new(stream, patience)),
            TowerToHyperService::new(service),
        );
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            // A client that goes away is no news.
            let _ = connection.await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(permits).acquire_owned().await else {
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
