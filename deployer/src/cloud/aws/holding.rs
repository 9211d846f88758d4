//! What hangs on what: interfaces and disks that outlive their machine, and whatever else keeps a thing from going.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Tag};
use futures_util::future::try_join;

use super::failure::api;
use super::observed::{Instance, Thing};
use super::tags::{ID, Scope, filter, read};
use crate::cloud::CloudError;
use crate::cloud::reconcile::Listed as _;

/// Things and the machines they are attached to.
type WithMachine = Vec<(Thing, Option<String>)>;

/// Interfaces and disks.
#[derive(Default)]
pub(super) struct Attached {
    interfaces: WithMachine,
    volumes: WithMachine,
}

impl Attached {
    /// Those that are attached to one of these machines.
    pub(super) fn to(self, instances: &BTreeSet<String>) -> Self {
        self.only(|_, at| at.is_some_and(|at| instances.contains(at)))
    }

    /// Those that are among these, too.
    pub(super) fn among(self, others: &Self) -> Self {
        let known = |id: &str| {
            let mut all = others.interfaces.iter().chain(&others.volumes);
            all.any(|(thing, _)| thing.id == id)
        };
        self.only(|id, _| known(id))
    }

    fn only(self, wanted: impl Fn(&str, Option<&str>) -> bool) -> Self {
        let only = |mut all: WithMachine| {
            all.retain(|(thing, at)| wanted(&thing.id, at.as_deref()));
            all
        };
        Self {
            interfaces: only(self.interfaces),
            volumes: only(self.volumes),
        }
    }

    /// Interfaces and disks that do not go away with one of these machines.
    pub(super) fn outliving(self, instances: &[Instance]) -> (Vec<Thing>, Vec<Thing>) {
        let goes = |at: &str| {
            instances
                .iter()
                .any(|instance| instance.id == at && instance.lives())
        };
        let stay = self.only(|_, at| !at.is_some_and(goes));
        let things = |all: WithMachine| all.into_iter().map(|(thing, _)| thing).collect();
        (things(stay.interfaces), things(stay.volumes))
    }
}

/// Looks at interfaces and disks.
pub(super) async fn attached(ec2: &Client, scope: Scope<'_>) -> Result<Attached, CloudError> {
    let (interfaces, volumes) = try_join(interfaces(ec2, scope), volumes(ec2, scope)).await?;
    Ok(Attached {
        interfaces,
        volumes,
    })
}

/// Looks at interfaces.
pub(super) async fn interfaces(ec2: &Client, scope: Scope<'_>) -> Result<WithMachine, CloudError> {
    let pages = ec2
        .describe_network_interfaces()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let interfaces: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeNetworkInterfaces", &error))?;
    let interfaces = interfaces.iter().filter_map(|one| {
        let at = one
            .attachment()
            .and_then(|attachment| attachment.instance_id());
        Some((
            thing(one.network_interface_id(), one.tag_set())?,
            at.map(Into::into),
        ))
    });
    Ok(interfaces.collect())
}

/// Looks at disks.
pub(super) async fn volumes(ec2: &Client, scope: Scope<'_>) -> Result<WithMachine, CloudError> {
    let pages = ec2
        .describe_volumes()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let volumes: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeVolumes", &error))?;
    let volumes = volumes.iter().filter_map(|one| {
        let at = one
            .attachments()
            .iter()
            .find_map(|attachment| attachment.instance_id());
        Some((thing(one.volume_id(), one.tags())?, at.map(Into::into)))
    });
    Ok(volumes.collect())
}

/// What holds an interface on a machine, and which machine.
pub(super) async fn attachment(
    ec2: &Client,
    interface: &str,
) -> Result<Option<(String, Option<String>)>, CloudError> {
    let call = ec2
        .describe_network_interfaces()
        .filters(filter("network-interface-id", interface));
    let answer = call.send().await;
    let answer = answer.map_err(|error| api("DescribeNetworkInterfaces", &error))?;
    let attachment = answer
        .network_interfaces()
        .first()
        .and_then(|one| one.attachment());
    Ok(attachment.and_then(|attachment| {
        let machine = attachment.instance_id().map(Into::into);
        Some((attachment.attachment_id()?.to_owned(), machine))
    }))
}

/// What is in a VPC, or attached to something there, and keeps it from being deleted: who is not of the deployment `id`, in words.
/// AWS's own services say in the description what they are: `VPC Endpoint Interface vpce-…`.
pub(super) async fn tenants(ec2: &Client, by: Filter, id: &str) -> Result<Vec<String>, CloudError> {
    let pages = ec2
        .describe_network_interfaces()
        .filters(by)
        .into_paginator()
        .items()
        .send();
    let interfaces: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeNetworkInterfaces", &error))?;
    let foreign = interfaces.iter().filter_map(|one| {
        let ours = read(one.tag_set()).get(ID).is_some_and(|other| other == id);
        let name = one.network_interface_id().filter(|_| !ours)?;
        Some(named(name, one.description()))
    });
    Ok(foreign.collect())
}

/// Security groups of a VPC that are not of the deployment `id`, in words. `GuardDuty` makes one in each VPC, with an endpoint
/// (terraform-provider-aws #46747), and AWS one that goes with the VPC.
pub(super) async fn foreign_groups(
    ec2: &Client,
    vpc: &str,
    id: &str,
) -> Result<Vec<String>, CloudError> {
    let call = ec2.describe_security_groups();
    let answer = call.filters(filter("vpc-id", vpc)).send().await;
    let answer = answer.map_err(|error| api("DescribeSecurityGroups", &error))?;
    let foreign = answer.security_groups().iter().filter_map(|group| {
        let ours = read(group.tags()).get(ID).is_some_and(|other| other == id);
        let goes = ours || group.group_name() == Some("default");
        Some(named(
            group.group_id().filter(|_| !goes)?,
            group.group_name(),
        ))
    });
    Ok(foreign.collect())
}

fn named(id: &str, words: Option<&str>) -> String {
    match words.filter(|words| !words.is_empty()) {
        Some(words) => format!("{id} ({words})"),
        None => id.into(),
    }
}

/// What binds a route table to subnets.
pub(super) async fn associations(ec2: &Client, table: &str) -> Result<Vec<String>, CloudError> {
    let call = ec2
        .describe_route_tables()
        .filters(filter("route-table-id", table));
    let answer = call.send().await;
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

/// A thing by its id and its tags; `None`: it has no id.
pub(super) fn thing(id: Option<&str>, tags: &[Tag]) -> Option<Thing> {
    id.map(|id| Thing {
        id: id.into(),
        tags: read(tags),
    })
}
