//! Tests of the AWS cloud: its plan as data, and its calls against moto on loopback, with a proxy between that fails in the
//! ways moto does not.

#![expect(clippy::print_stderr, reason = "tests say what they skip and why")]

mod account;
mod advice;
mod bench;
mod booted;
mod choices;
mod faults;
mod kills;
mod moto;
mod plan;
mod policy;
mod proxy;
mod watcher;
mod whole;
