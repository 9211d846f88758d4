//! Tests of the deployer that need no machine.

mod artifact;
mod inventory_errors;
mod inventory_files;
mod layers;
mod local_plan;
mod loopback;
mod plan;
mod templates;
mod topology;
