//! The isolated `FFmpeg` service: its wire types, its request signing, its client and the service.
//!
//! The worker accepts a job and its input over HTTP, runs `FFmpeg` on it in a locked box, checks what
//! came out and hands it back. It never fetches anything, never opens a connection of its own, never
//! keeps a queue or a database, and never lets a caller's string reach an `FFmpeg` argument.
//!
//! The server that sends jobs needs [`api`], [`auth`], [`client`] and [`endpoint`], and judges files by the same rules:
//! [`input`]'s sniffing, [`presets`], [`outputs`] and [`playlist`]. The rest is the service itself.

pub mod api;
pub mod auth;
pub mod client;
pub mod clock;
pub mod config;
pub mod endpoint;
pub mod http;
pub mod input;
pub mod jobs;
pub mod outputs;
pub mod playlist;
pub mod presets;
pub mod runner;
pub mod sandbox;
pub mod service;
pub mod work;
