//! The real worker with the real `FFmpeg`, over its real socket, through its own client.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test stops at the first surprise and makes its own ids"
)]

mod calls;
mod corpus;
mod disk;
mod hostile;
mod inputs;
mod lengths;
mod lifecycle;
mod orders;
mod runs;
mod sandbox;
mod support;
mod uploads;
