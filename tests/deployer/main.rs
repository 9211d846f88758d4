//! Tests of the deployer that need no machine.

mod alerts;
mod artifact;
#[path = "../shared/blocks.rs"]
mod blocks;
mod bucket;
mod cases;
mod cli;
mod couchdb;
mod fake;
mod guide;
mod here;
mod host;
mod imports;
mod inventory_errors;
mod inventory_files;
mod inventory_words;
mod journal;
mod keys;
mod layers;
mod lineage;
mod local_plan;
mod loopback;
mod neighbours;
mod nodes;
mod nodes_fetch;
mod outside;
mod plain_text;
mod plan;
mod products;
mod readme;
mod rehearsal;
mod run;
mod sandbox;
mod secrets;
mod settings;
#[path = "../shared/skip.rs"]
mod skip;
mod ssh_config;
mod sshd;
mod status;
mod streams;
mod templates;
mod threats;
mod topologies;
mod topology;
