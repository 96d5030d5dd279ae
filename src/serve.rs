//! `gatelog serve`: the listeners, from start to shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::app::App;
use crate::config::Config;
use crate::http::edge::Edge;
use crate::http::{ops, router};
use crate::lifecycle::{self, Lifecycle};
use crate::{administration, listener, notary, policies, ports::clock, token_check};

/// How long requests whose clients are gone may go on after the others have ended.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// It cannot start, or a task that must not end did.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    tell_about_new_key(&config);
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .context("metrics")?;
    let public = bind(config.network.listen_addr).await?;
    let operations = bind(config.network.ops_listen_addr).await?;
    let app = App::build(config).await?;
    administration::take_in(&app.log, &app.database).await?;
    app.lease.renew(&app.log, clock::monotonic()).await?;
    let lifecycle = Lifecycle::default();
    app.read_models.start(&lifecycle);
    policies::start(&app, &lifecycle);
    notary::upkeep::start(&app, &lifecycle);
    let upkeep = metrics.clone();
    lifecycle.every("metrics upkeep", Duration::from_secs(5), move || {
        upkeep.run_upkeep();
        std::future::ready(Ok::<(), token_check::LeaseError>(()))
    });
    spawn_operations(&app, &lifecycle, operations, metrics);
    tracing::info!(address = %public.local_addr()?, public_url = app.config.network.public_url, "serving");
    let outcome = serve_public(&app, &lifecycle, public).await;
    shut_down(&app, &lifecycle).await;
    outcome
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}"))
}

/// New requests are refused first, then those under way finish; a task that died ends the process.
async fn serve_public(
    app: &Arc<App>,
    lifecycle: &Lifecycle,
    listener: TcpListener,
) -> anyhow::Result<()> {
    let stop = lifecycle.stop_token();
    let edge = Edge::new(router(app), Arc::clone(app));
    let patience = Duration::from_secs(app.config.network.client_timeout_seconds);
    let front = Front::new()?;
    let mut server = front.serve(listener, edge, patience, stop.clone())?;
    let failed = tokio::select! {
        _ = &mut server => anyhow::bail!("the listener ended, which it must not"),
        () = lifecycle::signal() => None,
        name = lifecycle.failed_task() => {
            Some(anyhow::anyhow!("the task {name:?} ended, which it must not"))
        }
        // What it knows of tokens and people may be wrong. Its next start holds the log against what was signed.
        error = app.log.set_back() => Some(error.into()),
    };
    stop.cancel();
    app.live_streams.end();
    if tokio::time::timeout(lifecycle::GRACE, server)
        .await
        .is_err()
    {
        tracing::warn!("some requests did not finish in time and are cut off");
    }
    failed.map_or(Ok(()), Err)
}

/// The threads of the connections: one for two cores. They have little to do, and more of them would be in the way of
/// each other and of the handlers. A request that is not answered at once is handled by others, so that connections and
/// the token check wait behind no handler.
struct Front(Option<Runtime>);

impl Front {
    fn new() -> anyhow::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(cores.div_ceil(2));
        let runtime = builder.enable_all().thread_name("front").build();
        Ok(Self(Some(runtime.context("threads for connections")?)))
    }

    /// Serves until `stop`, and until what is under way has ended, unless the task is dropped before.
    fn serve(
        &self,
        listener: TcpListener,
        edge: Edge<Router>,
        patience: Duration,
        stop: CancellationToken,
    ) -> anyhow::Result<AbortOnDropHandle<()>> {
        let runtime = self.0.as_ref().context("the threads have ended")?;
        let listener = listener.into_std()?;
        let served = runtime.spawn(async move {
            match TcpListener::from_std(listener) {
                Ok(listener) => listener::serve(listener, edge, patience, stop).await,
                Err(error) => tracing::error!(%error, "the listener cannot be used"),
            }
        });
        Ok(AbortOnDropHandle::new(served))
    }
}

impl Drop for Front {
    /// A runtime must not be waited for inside of another.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn spawn_operations(
    app: &Arc<App>,
    lifecycle: &Lifecycle,
    listener: TcpListener,
    metrics: metrics_exporter_prometheus::PrometheusHandle,
) {
    let stop = lifecycle.stop_token();
    let router = ops::router(Arc::clone(app), metrics);
    lifecycle.spawn("operations listener", async move {
        let server = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stop.cancelled_owned().await });
        if let Err(error) = server.await {
            tracing::error!(%error, "the operations listener failed");
        }
    });
}

async fn shut_down(app: &Arc<App>, lifecycle: &Lifecycle) {
    app.finishing.close();
    if tokio::time::timeout(LAST_WORK, app.finishing.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            "some requests whose clients are gone did not finish in time and are cut off"
        );
    }
    lifecycle.shut_down().await;
    if let Err(error) = app.last_seen.write(&app.database, clock::now()).await {
        tracing::warn!(%error, "the last notes of who was seen were not written");
    }
    app.log.shut_down().await;
    app.database.close().await;
    tracing::info!("stopped");
}

fn tell_about_new_key(config: &Config) {
    if let Some(file) = &config.master_keys.made_file {
        tracing::warn!(
            file,
            "made a new master key: back this file up; without it nobody's data can be read"
        );
    }
    if let Some(file) = &config.log.made_file {
        tracing::warn!(
            file,
            "made a new key that signs the log: back this file up; without it a new log has to begin"
        );
    }
}
