//! Where CouchDB is found: in plain text, or by TLS where security is on.

use super::{Distribution, NAME, distribution, section};
use crate::component::{Port, Reach};
use crate::receipt::Choices;
use crate::topology::Topology;

/// Whether members speak TLS with it: the stand-in has none.
pub fn speaks_tls(topology: &Topology, choices: &Choices) -> bool {
    topology.security.is_on() && distribution(topology, choices) != Distribution::Pouchdb
}

/// The address at which members find it.
pub fn url(topology: &Topology, choices: &Choices) -> Option<String> {
    let node = topology.nodes_with(NAME).next()?;
    let host = topology.host_name(&node.name);
    let couchdb = section(topology);
    let (scheme, port) = if speaks_tls(topology, choices) {
        ("https", couchdb.tls_port)
    } else {
        ("http", couchdb.port)
    };
    Some(format!("{scheme}://{host}:{port}"))
}

/// The ports at which it listens once it is there.
pub(super) fn waited(topology: &Topology, choices: &Choices) -> Vec<u16> {
    let couchdb = section(topology);
    let tls = speaks_tls(topology, choices).then_some(couchdb.tls_port);
    tls.into_iter().chain([couchdb.port]).collect()
}

/// Its ports. A stand-in that takes its place has that of plain text alone, for all members.
pub(super) fn ports(topology: &Topology) -> Vec<Port> {
    let couchdb = section(topology);
    let plain = |reach| Port {
        number: couchdb.port,
        key: "couchdb.port",
        reach,
    };
    if !topology.security.is_on() || couchdb.distribution == Distribution::Pouchdb {
        return vec![plain(Reach::Members)];
    }
    let tls = Port {
        number: couchdb.tls_port,
        key: "couchdb.tls_port",
        reach: Reach::Members,
    };
    vec![tls, plain(Reach::Node)]
}
