//! Doing: one operation at a time, each safe to repeat.

use std::collections::{BTreeMap, BTreeSet};

use super::context::CloudContext;
use super::failure::api;
use super::notes::note;
use super::operation::Operation;
use super::{launch, make, make_access, profile, remove, running, tags, wait};
use crate::cloud::{Applied, CloudError};

/// Does one operation.
pub async fn apply(
    context: &CloudContext<'_>,
    operation: &Operation,
) -> Result<Applied, CloudError> {
    if context.notes.get(note::REGION).is_none() {
        context.notes.record(note::REGION, &context.aws.region)?;
    }
    let mut machine = None;
    match operation {
        Operation::CreateVpc { cidr } => make::vpc(context, cidr).await?,
        Operation::CreateSubnet { vpc, zone, cidr } => {
            make::subnet(context, vpc, zone, cidr).await?;
        }
        Operation::CreateGateway { vpc } => make::gateway(context, vpc).await?,
        Operation::AttachGateway { gateway, vpc } => {
            make::attachment(context, gateway, &context.id(vpc)?).await?;
        }
        Operation::CreateRouteTable { vpc } => make::route_table(context, vpc).await?,
        Operation::CreateRoute {
            table,
            gateway,
            replace,
        } => make::route(context, table, gateway, *replace).await?,
        Operation::AssociateRouteTable { table, subnet } => {
            make::association(context, table, subnet).await?;
        }
        Operation::CreateGroup { vpc } => make_access::group(context, vpc).await?,
        Operation::Allow {
            group,
            way,
            rules,
            ssh_from,
        } => {
            if let Some(ssh_from) = ssh_from {
                context.notes.record(note::SSH_FROM, ssh_from)?;
            }
            make_access::allow(context, &context.id(group)?, *way, rules).await?;
        }
        Operation::Revoke { group, way, rules } => {
            make_access::revoke(context, group, *way, rules).await?;
        }
        Operation::ImportKey => make_access::key(context).await?,
        Operation::Launch(launch) => machine = Some(launch::launch(context, launch).await?),
        Operation::Start { node, instance } => {
            machine = Some(running::start(context, node, instance).await?);
        }
        Operation::Await { node, instance } => {
            let public = context.public(node);
            machine = Some(
                running::running(context, node, instance, public)
                    .await
                    .map_err(|died| died.error)?,
            );
        }
        Operation::GiveProfile { instance, profile } => {
            profile::give(context, instance, profile).await?;
        }
        Operation::Renew { instances, expires } => renew(context, instances, *expires).await?,
        Operation::Terminate { instances } => remove::terminate(context, instances).await?,
        Operation::Delete { kind, id, vpc } => {
            remove::delete(context, *kind, id, vpc.as_deref()).await?;
        }
    }
    Ok(Applied {
        machine,
        ..Applied::default()
    })
}

async fn renew(
    context: &CloudContext<'_>,
    instances: &BTreeSet<String>,
    expires: Option<jiff::Timestamp>,
) -> Result<(), CloudError> {
    let (key, value) = tags::expiry(expires);
    let tags = tags::list(&BTreeMap::from([(key, value)]));
    let ids: Vec<String> = instances.iter().cloned().collect();
    let call = context.ec2().create_tags();
    let call = call.set_resources(Some(ids)).set_tags(Some(tags));
    let call = || async {
        let answer = call.clone().send().await.map(|_| ());
        answer.map_err(|error| api("CreateTags", &error))
    };
    wait::change(context.pace(), call).await
}
