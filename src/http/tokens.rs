//! `/v1/tokens`.

pub mod refresh;
