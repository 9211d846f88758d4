//! Tests on real machines, booted on this box: they need Linux and root. Without, each says in one line why it did not run;
//! with `CI=true` that is a failure.

#![allow(
    clippy::print_stdout,
    reason = "tests say why they did not run, and what takes long"
)]

mod accidents;
mod actions;
mod adopt;
#[path = "../shared/agents.rs"]
mod agents;
mod attempts;
#[path = "../shared/blocks.rs"]
mod blocks;
mod changes;
mod command_line;
mod couchdb;
mod couchdb_package;
mod couchdb_tls;
mod default_pipeline;
mod deployer_command;
mod documents;
mod doors;
mod existing;
mod grade;
mod guide;
mod internet;
mod interrupted;
mod kafka;
mod leaks;
mod local;
mod logs;
mod mariadb;
#[path = "../shared/moto.rs"]
mod moto;
mod node_exporter;
mod outsiders;
#[path = "../shared/place.rs"]
mod place;
mod programs;
#[path = "../shared/python.rs"]
mod python;
#[path = "../shared/real_couchdb.rs"]
mod real_couchdb;
mod receipts;
mod relay;
mod sandbox;
mod secrets;
mod security;
mod session;
mod sinks;
#[path = "../shared/skip.rs"]
mod skip;
mod small;
#[path = "../shared/smtp.rs"]
mod smtp;
mod sources;
mod spark_nodes;
mod stand_in;
mod streams;
mod support;
mod third_cloud;
mod trucks;
mod watch;
