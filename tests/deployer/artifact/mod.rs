//! Artifacts: sources in order, checksums, the cache, what is taken of what came.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod agents;
mod couchdb;
mod kafka;
mod read_once;
mod support;
