//! Tests of the deployer that need no machine.

mod artifact;
mod cases;
mod cli;
mod here;
mod host;
mod inventory_errors;
mod inventory_files;
mod journal;
mod layers;
mod local_plan;
mod loopback;
mod nodes_fetch;
mod plan;
mod run;
mod ssh_config;
mod sshd;
mod status;
mod templates;
mod topology;
