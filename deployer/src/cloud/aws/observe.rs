//! Looking: what is in the account. Changes nothing.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{self, InstanceStateName};
use futures_util::future::{try_join, try_join4};
use jiff::Timestamp;

use super::failure::api;
use super::holding::{self, thing};
use super::observed::{
    Gateway, Group, Instance, METADATA_HOPS, Observed, RouteTable, State, Subnet, Thing,
};
use super::rules::Rule;
use super::tags::{Scope, read};
use crate::cloud::CloudError;

/// Looks at what changes by itself or by hand while a deployment is used: four calls at the same time.
pub async fn glance(ec2: &Client, scope: Scope<'_>) -> Result<Observed, CloudError> {
    let (instances, groups, route_tables, subnets) = try_join4(
        instances(ec2, scope),
        groups(ec2, scope),
        route_tables(ec2, scope),
        subnets(ec2, scope.filter()),
    )
    .await?;
    Ok(Observed {
        instances,
        groups,
        route_tables,
        subnets,
        ..Observed::default()
    })
}

/// Looks at all kinds of things.
pub async fn everything(ec2: &Client, scope: Scope<'_>) -> Result<Observed, CloudError> {
    beyond(ec2, scope, glance(ec2, scope)).await
}

/// Looks at all that a glance leaves out.
pub(super) async fn beyond(
    ec2: &Client,
    scope: Scope<'_>,
    glance: impl Future<Output = Result<Observed, CloudError>>,
) -> Result<Observed, CloudError> {
    let rest = try_join4(
        vpcs(ec2, scope),
        gateways(ec2, scope),
        keys(ec2, scope),
        holding::attached(ec2, scope),
    );
    let (seen, (vpcs, gateways, keys, attached)) = try_join(glance, rest).await?;
    let (interfaces, volumes) = attached.outliving(&seen.instances);
    Ok(Observed {
        vpcs,
        gateways,
        keys,
        interfaces,
        volumes,
        ..seen
    })
}

/// Machines.
pub async fn instances(ec2: &Client, scope: Scope<'_>) -> Result<Vec<Instance>, CloudError> {
    instances_where(ec2, scope.filter()).await
}

/// Machines that pass a filter.
pub(super) async fn instances_where(
    ec2: &Client,
    by: types::Filter,
) -> Result<Vec<Instance>, CloudError> {
    let described = described(ec2, by).await?;
    Ok(described.iter().filter_map(instance).collect())
}

/// Machines that pass a filter, as AWS describes them.
pub(super) async fn described(
    ec2: &Client,
    by: types::Filter,
) -> Result<Vec<types::Instance>, CloudError> {
    let pages = ec2.describe_instances().filters(by).into_paginator().send();
    let pages: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeInstances", &error))?;
    let reservations = pages.into_iter().filter_map(|page| page.reservations);
    let instances = reservations.flatten().filter_map(|one| one.instances);
    Ok(instances.flatten().collect())
}

/// Machines by their ids; fails when one is not known.
pub async fn instances_by_id(ec2: &Client, ids: &[String]) -> Result<Vec<Instance>, CloudError> {
    let answer = ec2
        .describe_instances()
        .set_instance_ids(Some(ids.to_vec()))
        .send();
    let answer = answer
        .await
        .map_err(|error| api("DescribeInstances", &error))?;
    Ok(answer
        .reservations()
        .iter()
        .flat_map(aws_sdk_ec2::types::Reservation::instances)
        .filter_map(instance)
        .collect())
}

fn instance(seen: &types::Instance) -> Option<Instance> {
    // What AWS may say one day and we do not know is no reason to take a machine for gone.
    let state = match seen.state().and_then(|state| state.name()) {
        Some(InstanceStateName::Pending) => State::Pending,
        Some(InstanceStateName::Running) => State::Running,
        Some(InstanceStateName::Stopping) => State::Stopping,
        Some(InstanceStateName::Stopped) => State::Stopped,
        Some(InstanceStateName::ShuttingDown) => State::ShuttingDown,
        Some(InstanceStateName::Terminated) => State::Terminated,
        _ => State::Unknown,
    };
    let address = |text: Option<&str>| text.and_then(|text| text.parse().ok());
    let reason = seen.state_reason().map(|reason| {
        let words = [reason.code(), reason.message()].into_iter().flatten();
        words.collect::<Vec<_>>().join(": ")
    });
    Some(Instance {
        id: seen.instance_id()?.into(),
        tags: read(seen.tags()),
        state,
        reason: reason.filter(|reason| !reason.is_empty()),
        private: address(seen.private_ip_address()),
        public: address(seen.public_ip_address()),
        vpc: seen.vpc_id().map(Into::into),
        zone: seen
            .placement()
            .and_then(|placement| placement.availability_zone())
            .map(Into::into),
        launched: seen
            .launch_time()
            .and_then(|time| Timestamp::from_second(time.secs()).ok()),
        tells: seen.metadata_options().is_some_and(tells),
        profile: seen
            .iam_instance_profile()
            .and_then(|profile| profile.arn())
            .and_then(|arn| arn.rsplit('/').next())
            .map(Into::into),
    })
}

/// Whether a metadata service with these options answers more than the machine itself asks by a token.
fn tells(options: &types::InstanceMetadataOptionsResponse) -> bool {
    let is_on = options.http_endpoint() != Some(&types::InstanceMetadataEndpointState::Disabled);
    let free = options.http_tokens() != Some(&types::HttpTokensState::Required);
    let far = options
        .http_put_response_hop_limit()
        .is_some_and(|hops| hops > METADATA_HOPS);
    is_on && (free || far)
}

pub(super) async fn groups(ec2: &Client, scope: Scope<'_>) -> Result<Vec<Group>, CloudError> {
    let pages = ec2
        .describe_security_groups()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let groups: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeSecurityGroups", &error))?;
    Ok(groups
        .iter()
        .filter_map(|group| {
            let id = group.group_id()?;
            Some(Group {
                id: id.into(),
                tags: read(group.tags()),
                vpc: group.vpc_id().unwrap_or_default().into(),
                rules: Rule::read(group.ip_permissions(), id),
                out: Rule::read(group.ip_permissions_egress(), id),
            })
        })
        .collect())
}

pub(super) async fn route_tables(
    ec2: &Client,
    scope: Scope<'_>,
) -> Result<Vec<RouteTable>, CloudError> {
    let pages = ec2
        .describe_route_tables()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let tables: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeRouteTables", &error))?;
    Ok(tables
        .iter()
        .filter_map(|table| {
            let default = table
                .routes()
                .iter()
                .find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
            Some(RouteTable {
                id: table.route_table_id()?.into(),
                tags: read(table.tags()),
                vpc: table.vpc_id().unwrap_or_default().into(),
                main: table
                    .associations()
                    .iter()
                    .any(|one| one.main() == Some(true)),
                subnets: table
                    .associations()
                    .iter()
                    .filter_map(|one| one.subnet_id())
                    .map(Into::into)
                    .collect(),
                default: default.map(|route| {
                    let target = route
                        .gateway_id()
                        .or(route.nat_gateway_id())
                        .unwrap_or("something else");
                    (
                        target.into(),
                        route.state() == Some(&types::RouteState::Active),
                    )
                }),
            })
        })
        .collect())
}

/// Subnets that pass a filter.
pub async fn subnets(ec2: &Client, by: types::Filter) -> Result<Vec<Subnet>, CloudError> {
    let pages = ec2
        .describe_subnets()
        .filters(by)
        .into_paginator()
        .items()
        .send();
    let subnets: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeSubnets", &error))?;
    Ok(subnets
        .iter()
        .filter_map(|subnet| {
            Some(Subnet {
                id: subnet.subnet_id()?.into(),
                tags: read(subnet.tags()),
                vpc: subnet.vpc_id().unwrap_or_default().into(),
                zone: subnet.availability_zone().unwrap_or_default().into(),
                cidr: subnet.cidr_block().unwrap_or_default().into(),
                free: subnet.available_ip_address_count().unwrap_or_default(),
                open: false,
                routed: false,
            })
        })
        .collect())
}

pub(super) async fn vpcs(ec2: &Client, scope: Scope<'_>) -> Result<Vec<Thing>, CloudError> {
    let pages = ec2
        .describe_vpcs()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let vpcs: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeVpcs", &error))?;
    Ok(vpcs
        .iter()
        .filter_map(|vpc| thing(vpc.vpc_id(), vpc.tags()))
        .collect())
}

pub(super) async fn gateways(ec2: &Client, scope: Scope<'_>) -> Result<Vec<Gateway>, CloudError> {
    let pages = ec2
        .describe_internet_gateways()
        .filters(scope.filter())
        .into_paginator()
        .items()
        .send();
    let gateways: Vec<_> = pages
        .try_collect()
        .await
        .map_err(|error| api("DescribeInternetGateways", &error))?;
    Ok(gateways
        .iter()
        .filter_map(|gateway| {
            Some(Gateway {
                id: gateway.internet_gateway_id()?.into(),
                tags: read(gateway.tags()),
                vpc: gateway
                    .attachments()
                    .iter()
                    .find_map(|attachment| attachment.vpc_id())
                    .map(Into::into),
            })
        })
        .collect())
}

pub(super) async fn keys(ec2: &Client, scope: Scope<'_>) -> Result<Vec<Thing>, CloudError> {
    let answer = ec2.describe_key_pairs().filters(scope.filter()).send();
    let answer = answer
        .await
        .map_err(|error| api("DescribeKeyPairs", &error))?;
    Ok(answer
        .key_pairs()
        .iter()
        .filter_map(|key| thing(key.key_name(), key.tags()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::tells;
    use super::types::{
        HttpTokensState, InstanceMetadataEndpointState, InstanceMetadataOptionsResponse,
    };

    #[test]
    fn a_metadata_service_is_closed_by_tokens_and_one_hop() {
        let options = |tokens, hops| {
            InstanceMetadataOptionsResponse::builder()
                .http_tokens(tokens)
                .http_put_response_hop_limit(hops)
        };
        let closed = options(HttpTokensState::Required, 1).build();
        assert!(!tells(&closed));
        for open in [
            options(HttpTokensState::Optional, 1),
            options(HttpTokensState::Required, 2),
        ] {
            assert!(tells(&open.clone().build()));
            let off = open.http_endpoint(InstanceMetadataEndpointState::Disabled);
            assert!(!tells(&off.build()));
        }
    }
}
