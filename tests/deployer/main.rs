//! Tests of the deployer that need no machine.

mod inventory_errors;
mod inventory_files;
mod topology;
