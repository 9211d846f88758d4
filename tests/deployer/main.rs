//! Tests of the deployer that need no machine.

mod local_plan;
