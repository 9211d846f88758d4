//! Tests of Chameleon: its calls against a real OpenStack with Blazar on loopback.

#![expect(clippy::print_stderr, reason = "tests say what they skip and why")]

mod advice;
#[path = "../shared/agents.rs"]
mod agents;
#[path = "../clouds/bench.rs"]
mod bench;
mod booted;
mod canned;
#[path = "../clouds/desk.rs"]
mod clouds_desk;
#[path = "../clouds/laptop.rs"]
mod clouds_laptop;
#[path = "../clouds/proxy.rs"]
mod clouds_proxy;
#[path = "../clouds/watcher.rs"]
mod clouds_watcher;
mod credentials;
mod desk;
mod faults;
mod flavors;
mod habits;
mod images;
mod kept;
mod kills;
mod openstack;
mod plan;
mod project;
mod proxy;
#[path = "../shared/real_couchdb.rs"]
mod real_couchdb;
mod refused;
#[path = "../shared/skip.rs"]
mod skip;
mod tls;
mod trust;
mod watcher;
