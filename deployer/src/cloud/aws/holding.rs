//! What hangs on what: interfaces and disks that outlive their machine, and whatever else keeps a thing from going.

use aws_sdk_ec2::Client;
use futures_util::TryFutureExt as _;
use futures_util::future::try_join;

use super::failure::api;
use super::observe::thing;
use super::observed::{Instance, Thing};
use super::tags::{Scope, Tags, filter, read};
use crate::cloud::CloudError;

/// Things and the machines they are attached to.
type WithMachine = Vec<(Thing, Option<String>)>;

/// Interfaces and disks.
pub(super) struct Attached {
    interfaces: WithMachine,
    volumes: WithMachine,
}

impl Attached {
    /// Interfaces and disks that do not go away with one of these machines.
    pub(super) fn outliving(self, instances: &[Instance]) -> (Vec<Thing>, Vec<Thing>) {
        let goes = |at: &str| {
            instances
                .iter()
                .any(|instance| instance.id == at && instance.lives())
        };
        let stays = |all: WithMachine| -> Vec<Thing> {
            all.into_iter()
                .filter(|(_, at)| !at.as_deref().is_some_and(goes))
                .map(|(thing, _)| thing)
                .collect()
        };
        (stays(self.interfaces), stays(self.volumes))
    }
}

/// Looks at interfaces and disks.
pub(super) async fn attached(ec2: &Client, scope: Scope<'_>) -> Result<Attached, CloudError> {
    let interfaces = ec2
        .describe_network_interfaces()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let volumes = ec2
        .describe_volumes()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let (interfaces, volumes): (Vec<_>, Vec<_>) = try_join(
        interfaces
            .try_collect()
            .map_err(|error| api("DescribeNetworkInterfaces", &error)),
        volumes
            .try_collect()
            .map_err(|error| api("DescribeVolumes", &error)),
    )
    .await?;
    let interfaces = interfaces.iter().filter_map(|one| {
        let at = one
            .attachment()
            .and_then(|attachment| attachment.instance_id());
        Some((
            thing(one.network_interface_id(), one.tag_set())?,
            at.map(Into::into),
        ))
    });
    let volumes = volumes.iter().filter_map(|one| {
        let at = one
            .attachments()
            .iter()
            .find_map(|attachment| attachment.instance_id());
        Some((thing(one.volume_id(), one.tags())?, at.map(Into::into)))
    });
    Ok(Attached {
        interfaces: interfaces.collect(),
        volumes: volumes.collect(),
    })
}

/// What holds an interface on its machine.
pub(super) async fn attachment(
    ec2: &Client,
    interface: &str,
) -> Result<Option<String>, CloudError> {
    let answer = ec2
        .describe_network_interfaces()
        .network_interface_ids(interface)
        .send()
        .await;
    let answer = answer.map_err(|error| api("DescribeNetworkInterfaces", &error))?;
    let attachment = answer
        .network_interfaces()
        .first()
        .and_then(|one| one.attachment());
    Ok(attachment
        .and_then(|attachment| attachment.attachment_id())
        .map(Into::into))
}

/// What is attached to something in a VPC and keeps it from being deleted, ours or not.
pub(super) async fn tenants(
    ec2: &Client,
    name: &str,
    id: &str,
) -> Result<Vec<(String, Tags)>, CloudError> {
    let pages = ec2
        .describe_network_interfaces()
        .filters(filter(name, id))
        .into_paginator()
        .items()
        .send();
    let interfaces: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeNetworkInterfaces", &error))?;
    Ok(interfaces
        .iter()
        .filter_map(|one| Some((one.network_interface_id()?.to_owned(), read(one.tag_set()))))
        .collect())
}

/// What binds a route table to subnets.
pub(super) async fn associations(ec2: &Client, table: &str) -> Result<Vec<String>, CloudError> {
    let answer = ec2
        .describe_route_tables()
        .route_table_ids(table)
        .send()
        .await;
    let answer = answer.map_err(|error| api("DescribeRouteTables", &error))?;
    let all = answer
        .route_tables()
        .iter()
        .flat_map(aws_sdk_ec2::types::RouteTable::associations);
    Ok(all
        .filter(|one| one.main() != Some(true))
        .filter_map(|one| one.route_table_association_id())
        .map(Into::into)
        .collect())
}
