//! The agents of a deployment: the producer makes events and sends them to Kafka, the consumer writes every event
//! into its sinks, of which `CouchDB` is one, exactly once.
//!
//! An *event* is one JSON value with a client, a run and a sequence; a *document* is the event as it is kept in
//! `CouchDB`. The document's id comes from the event alone, so sending or reading an event twice makes no second
//! document. Both agents are small binaries over this library: [`producer`] and [`consumer`] hold the loops that run
//! as services, [`admin`] the calls the deployer makes on the consumer's node.
#![forbid(unsafe_code)]

pub mod admin;
pub mod backoff;
mod bucket;
pub mod command;
pub mod config;
pub mod consumer;
mod deadline;
pub mod error;
pub mod event;
pub mod kafka;
pub mod mail;
pub mod observe;
pub mod producer;
pub mod schedule;
pub mod shutdown;
pub mod sink;
pub mod source;
