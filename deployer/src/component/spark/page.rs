//! Spark's own web page: of all streams, since one process runs them.

use super::{Spark, cluster};
use crate::component::{Tunnel, TunnelEnd};
use crate::topology::{Node, Topology};

impl Tunnel for Spark {
    fn ends_at(&self, node: &Node, topology: &Topology) -> bool {
        cluster::leads(node, topology)
    }

    fn words(&self, ends: &[TunnelEnd], _: &Topology, _: &str, _: bool) -> Vec<String> {
        let pages = ends.iter().map(|TunnelEnd { address, port, .. }| {
            format!("Spark's own page: http://{address}:{port}/StreamingQuery/")
        });
        pages.collect()
    }

    fn hint(&self) -> &'static str {
        "is the local port taken? choose another with --port"
    }
}
