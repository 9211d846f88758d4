//! Tests of the agents from the outside: the real binaries between a Kafka cluster in this process (librdkafka's mock)
//! and a strict double of `CouchDB`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "in a test a panic is the message, and nothing here is an interface"
)]

mod access;
mod alerts;
mod any_bytes;
mod backlog;
mod bad_events;
mod bucket;
mod certificates;
mod chance;
mod cluster;
mod compare;
mod configs;
mod double;
mod edges;
mod export;
mod faults;
mod files;
mod generated;
mod group;
mod interleavings;
mod lab;
mod losses;
mod mariadb;
#[path = "../shared/moto.rs"]
#[expect(dead_code, reason = "clouds are asked at its whole address")]
mod moto;
mod observed;
mod pipeline;
#[path = "../shared/python.rs"]
mod python;
mod replaced;
mod secure;
mod setup;
mod sinks;
#[path = "../shared/skip.rs"]
mod skip;
#[path = "../shared/smtp.rs"]
mod smtp;
mod store;
mod topics;
