//! Tests of the AWS cloud: its plan as data, and its calls against moto on loopback, with a proxy between that fails in the
//! ways moto does not.

#![expect(clippy::print_stderr, reason = "tests say what takes long")]

mod account;
mod address;
mod advice;
#[path = "../shared/agents.rs"]
mod agents;
mod bad_input;
mod behind;
mod bench;
mod booted;
mod bucket;
mod census;
mod choices;
#[path = "../clouds/bench.rs"]
mod clouds_bench;
#[path = "../clouds/desk.rs"]
mod clouds_desk;
#[path = "../clouds/laptop.rs"]
mod clouds_laptop;
#[path = "../clouds/proxy.rs"]
mod clouds_proxy;
#[path = "../clouds/watcher.rs"]
mod clouds_watcher;
mod desk;
mod faults;
mod gone;
mod guests;
mod honest;
mod iam;
mod kept;
mod kills;
mod limits;
#[path = "../shared/moto.rs"]
mod moto;
mod plan;
mod policy;
mod profile;
mod proxy;
#[path = "../shared/python.rs"]
mod python;
mod rare;
#[path = "../shared/real_couchdb.rs"]
mod real_couchdb;
mod room;
mod side_by_side;
#[path = "../shared/skip.rs"]
mod skip;
mod stage;
mod watcher;
