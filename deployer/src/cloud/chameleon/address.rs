//! Floating IPs: got by a lease or without one, and led to servers.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use super::context::{CloudContext, KINDS, id};
use super::failure::{code, not_found, says};
use super::marks::{self, Purpose};
use super::notes::note;
use super::observed::{Address, Server};
use super::operation::Floating;
use super::session::Service;
use super::{catalog, lease, observe};
use crate::cloud::{CloudError, wait};

/// This deployment's floating IPs.
pub(super) async fn of(context: &CloudContext<'_>) -> Result<Vec<Address>, CloudError> {
    let seen = observe::addresses(context.session()).await?;
    let ours = seen.into_iter().filter(|one| context.ours(&one.marks));
    Ok(ours.collect())
}

/// Gets one for each node. What leases give and what can be taken without one are two pools: where one is empty the other may not be.
pub(super) async fn get(
    context: &CloudContext<'_>,
    network: &str,
    lease: Option<&(String, Timestamp)>,
    nodes: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let mut why = None;
    if let Some((name, end)) = lease {
        match leased(context, network, name, *end, nodes).await {
            // A lease that failed, too: two that start at once may have been promised the same address. Each site refuses in its
            // own way: by policy (403), by quota (403, 409), by 400 or 500 for "not enough".
            Err(error)
                if matches!(error, CloudError::Refused(_))
                    || matches!(code(&error), "400" | "403" | "404" | "409" | "500") =>
            {
                let line = format!("no lease for a floating IP, so one without: {error}");
                context.progress.line(None, &line);
                why = Some(error);
            }
            result => return result,
        }
    }
    let taken = async {
        for node in nodes {
            ad_hoc(context, network, node).await?;
        }
        Ok(())
    };
    match (taken.await, why) {
        (Err(error), Some(why)) => Err(CloudError::Refused(format!(
            "there is no floating IP, neither by a lease ({why}) nor without one ({error}): wait, or ask the site for one"
        ))),
        (result, _) => result,
    }
}

async fn leased(
    context: &CloudContext<'_>,
    network: &str,
    name: &str,
    end: Timestamp,
    nodes: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let reservation = json!({
        "resource_type": "virtual:floatingip",
        "network_id": network,
        "amount": nodes.len(),
    });
    let lease = lease::get(context, Purpose::Address, name, end, &[reservation], 1).await?;
    hand_out(context, &lease.id, nodes).await
}

/// Gives each node one of the floating IPs that an active lease gives.
pub(super) async fn hand_out(
    context: &CloudContext<'_>,
    lease: &str,
    nodes: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let free = || async {
        let mut free = of(context).await?;
        free.retain(|one| one.lease.as_deref() == Some(lease) && one.to.is_none());
        free.sort_by_key(|one| one.address);
        Ok(free)
    };
    let enough = |free: &Vec<_>| free.len() >= nodes.len();
    let free = wait::until_settled(context.pace(), free, enough).await?;
    if !enough(&free) {
        return Err(CloudError::Deadline {
            what: format!("getting {} floating IPs of the lease {lease}", nodes.len()),
            seconds: context.pace().settle.as_secs(),
            output: format!("it gave {}", free.len()),
        });
    }
    for (node, address) in nodes.iter().zip(free) {
        context.notes.record(&note::address(node), &address.id)?;
    }
    Ok(())
}

/// The marks say which node it is for, so that none gets two.
async fn ad_hoc(context: &CloudContext<'_>, network: &str, node: &str) -> Result<(), CloudError> {
    let body = json!({"floatingip": {
        "floating_network_id": network,
        "description": marks::description(&marks::of(context.wanted, Some(node))),
    }});
    let make = || async {
        let answer = context
            .session()
            .post(Service::Network, "/floatingips", &body)
            .await?;
        id(&answer["floatingip"], "floating IP")
    };
    let find = || async {
        let mut same = of(context).await?.into_iter().filter(|one| {
            one.to.is_none() && one.marks.get(marks::NODE).is_some_and(|one| one == node)
        });
        Ok(same.next().map(|address| address.id))
    };
    let id = wait::make_once(context.pace(), KINDS, make, find).await?;
    context.notes.record(&note::address(node), &id)
}

/// Leads a node's floating IP to its server.
pub(super) async fn attach(
    context: &CloudContext<'_>,
    node: &str,
    server: &Server,
    address: &Floating,
) -> Result<(), CloudError> {
    let address = match address {
        Floating::There(address) => address.clone(),
        Floating::New => context.made(&note::address(node))?,
    };
    let (_, own) = server
        .address()
        .ok_or_else(|| CloudError::Refused(format!("{} has no address", server.id)))?;
    let ports = observe::ports(context.session(), &server.id).await?;
    let port = ports
        .get(&own)
        .ok_or_else(|| CloudError::Refused(format!("no port has the address {own}")))?;
    match lead(context, &address, port).await {
        // A site that gives an address to one lease while it still takes it from another may delete it from under us.
        Err(error) if not_found(&error) => {
            let line = format!("the floating IP is gone, so another one: {error}");
            context.progress.line(Some(node), &line);
            let network = catalog::external(context.session()).await?;
            ad_hoc(context, &network, node).await?;
            lead(context, &context.made(&note::address(node))?, port).await
        }
        result => result,
    }
}

/// Leads a floating IP to a port.
async fn lead(context: &CloudContext<'_>, address: &str, port: &str) -> Result<(), CloudError> {
    let body = json!({"floatingip": {"port_id": port}});
    let put = || async {
        let path = format!("/floatingips/{address}");
        context.session().put(Service::Network, &path, &body).await
    };
    // A shared network's router may not be known yet for a port that was just made.
    let passing = |error: &CloudError| says(error, "not reachable");
    let pace = context.pace();
    let attached = wait::while_failing(pace, pace.settle / 4, passing, put).await;
    attached.map(|_| ()).map_err(|error| {
        if says(&error, "not reachable") {
            CloudError::Refused(format!(
                "the floating IP cannot be led into the network `{}`: it needs a router to the outside ({error})",
                context.settings().network
            ))
        } else {
            error
        }
    })
}
