//! Tests of the deployer that need no machine.

mod artifact;
mod layers;
mod loopback;
mod templates;
