//! The comparisons. Each is one command, each against a named baseline on the same machine in the same run, and each
//! writes its table to `bench/results`. Nothing here is a test: figures are measured and reported, never asserted.

mod counter;
mod engines;
mod export;
mod jobs;
mod log;
mod process;
mod rebuild;
mod report;
mod sandbox;
mod session;
mod sign_in;
mod snapshots;
mod upload;
mod verify;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Commands per second through the log, against stock postgres-es and sqlite-es.
    Log {
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Milliseconds of one measurement.
        #[arg(long, default_value_t = 1000)]
        milliseconds: u64,
        /// Only this engine; then nothing is written to `bench/results`.
        #[arg(long)]
        only: Option<log::Engine>,
    },
    /// `/v1/verify` against a bare axum handler, both driven by wrk.
    Verify {
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Seconds of one measurement.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
    },
    /// Sign-ins against bare Argon2id, and `/v1/verify` meanwhile.
    SignIn {
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Seconds of one measurement.
        #[arg(long, default_value_t = 4)]
        seconds: u64,
    },
    /// NDJSON export over HTTP, against raw reads of the same rows, and the memory that it takes.
    Export {
        /// Events of the log.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// One engine instead of both; then the figures are only shown.
        #[arg(long)]
        only: Option<engines::Engine>,
    },
    /// From the request for a media job to FFmpeg, and jobs a minute against bare FFmpeg in a shell loop.
    Jobs {
        /// Requests whose latency is measured.
        #[arg(long, default_value_t = 100)]
        latencies: usize,
        /// Rounds of films; medians are taken over them.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Films of a round.
        #[arg(long, default_value_t = 5)]
        films: usize,
    },
    /// Loading a session with 10,000 refreshes against one with 10.
    Snapshots {
        /// Loads of each; medians are taken over them.
        #[arg(long, default_value_t = 200)]
        rounds: usize,
        /// Only this engine; then nothing is written to `bench/results`.
        #[arg(long)]
        only: Option<engines::Engine>,
    },
    /// Rebuilding and comparing the read model of the sessions, against a plain SELECT of the events.
    Rebuild {
        /// How many events.
        #[arg(long, default_value_t = 1_000_000)]
        events: u64,
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 3)]
        rounds: usize,
        /// Only this engine; then nothing is written to `bench/results`.
        #[arg(long)]
        only: Option<engines::Engine>,
    },
    /// An upload against a copy and a digest of the same file, and the memory that it takes.
    Upload {
        /// The size of the file in MiB.
        #[arg(long, default_value_t = 1024)]
        mebibytes: u64,
        /// Rounds; medians are taken over them.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// What the sandbox costs a job, against bare FFmpeg.
    Sandbox {
        /// Transcodes of each kind; medians are taken over them.
        #[arg(long, default_value_t = 15)]
        rounds: usize,
        /// Probes of each kind; medians are taken over them.
        #[arg(long, default_value_t = 101)]
        probes: usize,
    },
    /// The bare axum handler that `verify` compares with.
    Bare {
        /// Where it listens.
        #[arg(long)]
        listen: std::net::SocketAddr,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Log {
            rounds,
            milliseconds,
            only,
        } => log::run(rounds, milliseconds, only).await,
        Command::Verify { rounds, seconds } => verify::run(rounds, seconds),
        Command::SignIn { rounds, seconds } => sign_in::run(rounds, seconds).await,
        Command::Export {
            events,
            rounds,
            only,
        } => export::run(events, rounds, only).await,
        Command::Jobs {
            latencies,
            rounds,
            films,
        } => jobs::run(latencies, rounds, films).await,
        Command::Snapshots { rounds, only } => snapshots::run(rounds, only).await,
        Command::Rebuild {
            events,
            rounds,
            only,
        } => rebuild::run(events, rounds, only).await,
        Command::Upload { mebibytes, rounds } => upload::run(mebibytes, rounds).await,
        Command::Sandbox { rounds, probes } => sandbox::run(rounds, probes),
        Command::Bare { listen } => verify::serve_bare(listen).await,
    }
}
