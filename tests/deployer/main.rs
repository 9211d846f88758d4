//! Tests of the deployer that need no machine.

mod plan;
