//! What the nodes say: of all that should be on them, and of the systems they are.

use std::collections::BTreeMap;

use futures_util::future::{join_all, try_join_all};

use crate::component::{self, place};
use crate::error::CommandError;
use crate::facts::{Facts, Query, System};
use crate::machine::Machine;
use crate::plan::{self, Desired};
use crate::reach::connections::{Connections, require_none};
use crate::receipt::Receipt;
use crate::report::{Reporter, aloud};
use crate::run::Executor as _;
use crate::step::StateMark;
use crate::topology::Topology;

/// Node → the system it is.
pub type Systems = BTreeMap<String, System>;

/// Asks all nodes that are there, in one round trip each.
pub(super) async fn ask(
    connections: &Connections,
    desired: &Desired,
    receipt: &Receipt,
    machines: &BTreeMap<String, Machine>,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<String, Facts>, CommandError> {
    let mut queries = plan::queries(desired);
    if receipt.copied.is_some() {
        // Another laptop may have gone on, whether this one's inventory asks for a copy or not.
        for query in queries.values_mut() {
            query.files.insert(StateMark::path(&receipt.name), true);
        }
    }
    let asked = queries
        .iter()
        .filter(|(node, _)| machines.contains_key(*node));
    let answers = join_all(asked.map(|(node, query)| async move {
        let asking = connections.executor().ask(node, query);
        let words = "ask how it is";
        (
            node.clone(),
            aloud(reporter, Some(node), words, asking).await,
        )
    }));
    let mut facts = BTreeMap::new();
    let mut failures = BTreeMap::new();
    for (node, answer) in answers.await {
        match answer {
            Ok(answer) => {
                facts.insert(node, answer);
            }
            Err(error) => {
                failures.insert(node, error);
            }
        }
    }
    require_none(&failures)?;
    Ok(facts)
}

/// Asks nodes what systems they are. Not a part of the one question: it takes about as long, and nothing hangs on the answer where
/// nothing is to be done.
pub async fn systems<'a>(
    connections: &Connections,
    topology: &Topology,
    nodes: impl IntoIterator<Item = &'a str>,
) -> Result<Systems, CommandError> {
    let executor = connections.executor();
    let answers = nodes.into_iter().map(|node| async move {
        let known = topology.nodes.get(node).into_iter();
        let sources = known.flat_map(|node| {
            let there = component::of_node(node, topology);
            there.flat_map(|component| component.user_files(node))
        });
        // What lies below it is made by `up`, with its groups.
        let own = format!("{}/", place::data(topology));
        let sources = sources.filter(|(path, _)| !path.starts_with(&own));
        let query = Query {
            system: true,
            sources: sources.collect(),
            ..Query::default()
        };
        let system = executor.ask(node, &query).await?.system;
        Ok::<_, CommandError>((node.to_owned(), system))
    });
    Ok(try_join_all(answers).await?.into_iter().collect())
}
