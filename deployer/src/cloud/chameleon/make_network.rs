//! A network of our own with its way out: made piece by piece, each of which may be there from an earlier try.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::apply::{Hands, KINDS, id};
use super::failure::says;
use super::notes::note;
use super::observed::Network;
use super::session::Service;
use super::{marks, observe};
use crate::cloud::{CloudError, wait};

/// Makes the network and its subnet.
pub(super) async fn network(
    hands: &Hands<'_>,
    cidr: Ipv4Net,
    name_servers: &[Ipv4Addr],
) -> Result<(), CloudError> {
    let find = || async { Ok(ours(hands).await?.map(|network| network.id)) };
    let network = found_or_made(hands, "network", &marked(hands), find).await?;
    let subnet = json!({
        "network_id": network,
        "name": marks::resource_name(&hands.wanted.id),
        "ip_version": 4,
        "cidr": cidr,
        "dns_nameservers": name_servers,
    });
    let find = || async {
        let there = ours(hands).await?;
        Ok(there.and_then(|network| network.subnets.into_iter().next()))
    };
    found_or_made(hands, "subnet", &subnet, find).await?;
    hands.notes.record(note::NETWORK, &network)
}

/// Makes the router, and gives it a leg in our network.
pub(super) async fn router(hands: &Hands<'_>, external: &str) -> Result<(), CloudError> {
    let mut body = marked(hands);
    body["external_gateway_info"] = json!({"network_id": external});
    let find = || async {
        let (_, routers) = observe::networks(hands.session()).await?;
        let mut ours = routers.into_iter().filter(|one| hands.ours(&one.marks));
        Ok(ours.next().map(|router| router.id))
    };
    let router = found_or_made(hands, "router", &body, find).await?;
    let network = ours(hands).await?;
    let subnet = network.and_then(|network| network.subnets.into_iter().next());
    let subnet = subnet.ok_or_else(|| {
        CloudError::Refused(
            "the network of our own is gone: somebody deleted it; `up` again".into(),
        )
    })?;
    let path = format!("/routers/{router}/add_router_interface");
    let body = json!({"subnet_id": subnet});
    match hands.session().put(Service::Network, &path, &body).await {
        // It was given one by a call whose answer got lost.
        Err(error) if says(&error, "already has a port") => Ok(()),
        result => result.map(|_| ()),
    }
}

async fn ours(hands: &Hands<'_>) -> Result<Option<Network>, CloudError> {
    let (networks, _) = observe::networks(hands.session()).await?;
    Ok(networks.into_iter().find(|one| hands.ours(&one.marks)))
}

/// Name and marks.
fn marked(hands: &Hands<'_>) -> Value {
    json!({
        "name": marks::resource_name(&hands.wanted.id),
        "description": marks::description(&marks::of(hands.wanted, None)),
    })
}

/// The id of a thing that is there, or is made now.
async fn found_or_made<F: Future<Output = Result<Option<String>, CloudError>>>(
    hands: &Hands<'_>,
    kind: &str,
    thing: &Value,
    find: impl Fn() -> F,
) -> Result<String, CloudError> {
    if let Some(id) = find().await? {
        return Ok(id);
    }
    let (path, body) = (format!("/{kind}s"), json!({kind: thing}));
    let make = || async {
        let answer = hands.session().post(Service::Network, &path, &body).await?;
        id(&answer[kind], kind)
    };
    wait::make_once(hands.pace(), KINDS, make, find).await
}
