//! A network of our own with its way out: made piece by piece, each of which may be there from an earlier try.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::context::{CloudContext, KINDS, id};
use super::failure::says;
use super::notes::note;
use super::observed::Network;
use super::session::Service;
use super::{marks, observe};
use crate::cloud::{CloudError, wait};

/// Makes the network and its subnet.
pub(super) async fn network(
    context: &CloudContext<'_>,
    cidr: Ipv4Net,
    name_servers: &[Ipv4Addr],
) -> Result<(), CloudError> {
    let find = || async { Ok(ours(context).await?.map(|network| network.id)) };
    let network = found_or_made(context, "network", &marked(context), find).await?;
    let subnet = json!({
        "network_id": network,
        "name": marks::resource_name(&context.wanted.id),
        "ip_version": 4,
        "cidr": cidr,
        "dns_nameservers": name_servers,
    });
    let find = || async {
        let there = ours(context).await?;
        Ok(there.and_then(|network| network.subnets.into_iter().next()))
    };
    found_or_made(context, "subnet", &subnet, find).await?;
    context.notes.record(note::NETWORK, &network)
}

/// Makes the router, and gives it a leg in our network.
pub(super) async fn router(context: &CloudContext<'_>, external: &str) -> Result<(), CloudError> {
    let mut body = marked(context);
    body["external_gateway_info"] = json!({"network_id": external});
    let find = || async {
        let (_, routers) = observe::networks(context.session()).await?;
        let mut ours = routers.into_iter().filter(|one| context.ours(&one.marks));
        Ok(ours.next().map(|router| router.id))
    };
    let router = found_or_made(context, "router", &body, find).await?;
    let network = ours(context).await?;
    let subnet = network.and_then(|network| network.subnets.into_iter().next());
    let subnet = subnet.ok_or_else(|| {
        CloudError::Refused(
            "the network of our own is gone: somebody deleted it; `up` again".into(),
        )
    })?;
    let path = format!("/routers/{router}/add_router_interface");
    let body = json!({"subnet_id": subnet});
    match context.session().put(Service::Network, &path, &body).await {
        // It was given one by a call whose answer got lost.
        Err(error) if says(&error, "already has a port") => Ok(()),
        result => result.map(|_| ()),
    }
}

async fn ours(context: &CloudContext<'_>) -> Result<Option<Network>, CloudError> {
    let (networks, _) = observe::networks(context.session()).await?;
    Ok(networks.into_iter().find(|one| context.ours(&one.marks)))
}

/// Name and marks.
fn marked(context: &CloudContext<'_>) -> Value {
    json!({
        "name": marks::resource_name(&context.wanted.id),
        "description": marks::description(&marks::of(context.wanted, None)),
    })
}

/// The id of a thing that is there, or is made now.
async fn found_or_made<F: Future<Output = Result<Option<String>, CloudError>>>(
    context: &CloudContext<'_>,
    kind: &str,
    thing: &Value,
    find: impl Fn() -> F,
) -> Result<String, CloudError> {
    if let Some(id) = find().await? {
        return Ok(id);
    }
    let (path, body) = (format!("/{kind}s"), json!({kind: thing}));
    let make = || async {
        let answer = context
            .session()
            .post(Service::Network, &path, &body)
            .await?;
        id(&answer[kind], kind)
    };
    wait::make_once(context.pace(), KINDS, make, find).await
}
