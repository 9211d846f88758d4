//! A network of our own in the plan: made with its subnet and its router where they are missing. Pure.

use super::operation::Operation;
use super::view::{View, offers, stage, step};
use crate::cloud::{CloudError, CloudStep};

/// Plans the network that missing machines are put into; its id if it is there. Only where something is to be made at all: what
/// runs proves that its network is there.
pub(super) fn plan(
    view: &View<'_>,
    steps: &mut Vec<CloudStep>,
) -> Result<Option<String>, CloudError> {
    let Some(cidr) = view.settings.own_network() else {
        return Ok(view.catalog.and_then(|catalog| catalog.network.clone()));
    };
    if view.catalog.is_none() {
        return Ok(None);
    }
    let catalog = offers(view)?;
    let network = view.observed.networks.first();
    let subnet = network.and_then(|network| network.subnets.first());
    if subnet.is_none() {
        let words = format!("make the network {cidr}");
        let name_servers = catalog.name_servers.clone();
        let operation = Operation::Network { cidr, name_servers };
        steps.push(step(stage::LEASE, words, operation));
    }
    let mut routers = view.observed.routers.iter();
    let led = subnet.is_some_and(|subnet| routers.any(|one| one.subnets.contains(subnet)));
    if !led {
        let words = "make a router from it to the outside".into();
        let external = catalog.external.clone();
        let operation = Operation::Router { external };
        steps.push(step(stage::ACCESS, words, operation));
    }
    Ok(network
        .filter(|_| subnet.is_some())
        .map(|network| network.id.clone()))
}
