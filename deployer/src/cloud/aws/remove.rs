//! Taking away. What is gone already is gone; what holds on is waited for, until a deadline.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;

use super::context::CloudContext;
use super::failure::{api, code, denied, not_found};
use super::gone::{self, away, held, there};
use super::holding::Attached;
use super::make_access::revoke;
use super::observed::{Instance, State};
use super::operation::Kind;
use super::rules::{Rule, Way};
use super::tags::Scope;
use super::{holding, observe, running, tags, wait};
use crate::cloud::CloudError;
use crate::cloud::reconcile::{Listed as _, until_gone};
use crate::retry::Retry;

/// Deletes machines and waits until they are gone, with what AWS leaves of them.
pub(super) async fn terminate(
    context: &CloudContext<'_>,
    instances: &BTreeSet<String>,
) -> Result<(), CloudError> {
    // What hangs on them now is theirs. Disks that hang nowhere may have another machine's documents: they are none of this.
    let seen = holding::attached(context.ec2(), context.scope()).await?;
    let theirs = seen.to(instances);
    ask_to_end(context, instances).await?;
    context.forget_look().await;
    let left = || async {
        let seen = running::look(context).await?;
        let left = seen
            .iter()
            .filter(|one| instances.contains(&one.id) && one.state != State::Terminated);
        Ok(left.cloned().collect())
    };
    until_gone(context.pace(), context.progress, left).await?;
    outlived(context, &theirs).await
}

/// Asks AWS to delete machines. One that is gone fails the call for them all: those that live are asked for again.
async fn ask_to_end(
    context: &CloudContext<'_>,
    instances: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let pace = context.pace();
    let mut retry = Retry::every(pace.poll).within(wait::tags_settle(pace));
    let mut rest = instances.clone();
    loop {
        let call = context.ec2().terminate_instances();
        let call = call.set_instance_ids(Some(rest.iter().cloned().collect()));
        let answer = call.send().await.map(|_| ());
        let error = match answer.map_err(|error| api("TerminateInstances", &error)) {
            Err(error) if not_found(&error) || denied(&error) => error,
            result => return result,
        };
        let ids: Vec<String> = rest.iter().cloned().collect();
        let by_id = Filter::builder().name("instance-id").set_values(Some(ids));
        let seen = observe::instances_where(context.ec2(), by_id.build()).await?;
        let living = seen.into_iter().filter(Instance::lives);
        let living: BTreeSet<String> = living.map(|one| one.id).collect();
        if living.is_empty() {
            return Ok(());
        }
        if living == rest {
            if retry.is_over() {
                return Err(error);
            }
            retry.pause().await;
        }
        rest = living;
    }
}

/// Interfaces and disks normally go with their machine. Only those that hung on it are taken away after it.
async fn outlived(context: &CloudContext<'_>, theirs: &Attached) -> Result<(), CloudError> {
    let pace = context.pace();
    let mut retry = Retry::every(pace.poll).within(pace.settle / 4);
    loop {
        let seen = holding::attached(context.ec2(), context.scope()).await?;
        let seen = seen.among(theirs);
        let living = observe::instances(context.ec2(), context.scope()).await?;
        let (interfaces, volumes) = seen.outliving(&living);
        if interfaces.is_empty() && volumes.is_empty() {
            return Ok(());
        }
        if retry.is_over() {
            for interface in &interfaces {
                delete(context, Kind::Interface, &interface.id, None).await?;
            }
            for volume in &volumes {
                delete(context, Kind::Volume, &volume.id, None).await?;
            }
            return Ok(());
        }
        retry.pause().await;
    }
}

/// Deletes one thing.
pub(super) async fn delete(
    context: &CloudContext<'_>,
    kind: Kind,
    id: &str,
    vpc: Option<&str>,
) -> Result<(), CloudError> {
    if kind == Kind::Group {
        // A rule that names a group keeps that group.
        revoke(context, id, Way::In, &BTreeSet::from([Rule::members()])).await?;
    }
    if let (Kind::Gateway, Some(vpc)) = (kind, vpc) {
        let detach = || async {
            let call = context
                .ec2()
                .detach_internet_gateway()
                .internet_gateway_id(id)
                .vpc_id(vpc);
            let answer = call.send().await.map(|_| ());
            answer.map_err(|error| api("DetachInternetGateway", &error))
        };
        let attached = || gone::attached(context.ec2(), id, vpc);
        match away(context.pace(), detach, attached).await {
            Err(error) if code(&error) == "Gateway.NotAttached" => {}
            result => result?,
        }
    }
    let delete = || one(context, kind, id);
    match away(context.pace(), delete, || there(context.ec2(), kind, id)).await {
        Err(error) if held(&error) => Err(holder(context, kind, id).await.unwrap_or(error)),
        result => result,
    }
}

async fn one(context: &CloudContext<'_>, kind: Kind, id: &str) -> Result<(), CloudError> {
    let ec2 = context.ec2();
    match kind {
        Kind::Interface => interface(context, id).await,
        Kind::Volume => ec2
            .delete_volume()
            .volume_id(id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| api("DeleteVolume", &error)),
        Kind::KeyPair => ec2
            .delete_key_pair()
            .key_name(id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| api("DeleteKeyPair", &error)),
        Kind::Group => {
            let call = ec2.delete_security_group().group_id(id).send().await;
            call.map(|_| ())
                .map_err(|error| api("DeleteSecurityGroup", &error))
        }
        Kind::Gateway => {
            let call = ec2
                .delete_internet_gateway()
                .internet_gateway_id(id)
                .send()
                .await;
            call.map(|_| ())
                .map_err(|error| api("DeleteInternetGateway", &error))
        }
        Kind::Subnet => ec2
            .delete_subnet()
            .subnet_id(id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| api("DeleteSubnet", &error)),
        Kind::RouteTable => route_table(context, id).await,
        Kind::Vpc => ec2
            .delete_vpc()
            .vpc_id(id)
            .send()
            .await
            .map(|_| ())
            .map_err(|error| api("DeleteVpc", &error)),
    }
}

/// Deletes an interface; one that still hangs on a machine that is gone is taken off first.
async fn interface(context: &CloudContext<'_>, id: &str) -> Result<(), CloudError> {
    let delete = || async {
        let call = context
            .ec2()
            .delete_network_interface()
            .network_interface_id(id)
            .send()
            .await;
        call.map(|_| ())
            .map_err(|error| api("DeleteNetworkInterface", &error))
    };
    match delete().await {
        Err(error) if held(&error) || code(&error).starts_with("InvalidParameterValue") => {
            detach(context, id).await?;
            delete().await
        }
        result => result,
    }
}

/// Takes an interface off a machine that is gone; off another one never.
async fn detach(context: &CloudContext<'_>, id: &str) -> Result<(), CloudError> {
    let Some((attachment, machine)) = holding::attachment(context.ec2(), id).await? else {
        return Ok(());
    };
    if let Some(machine) = machine {
        let by_id = Scope::Thing("instance-id", &machine);
        let seen = observe::instances(context.ec2(), by_id).await?;
        if seen.iter().any(Instance::lives) {
            return Err(CloudError::Refused(format!(
                "the network interface {id} is attached to {machine}, which is not part of this deployment: detach it first"
            )));
        }
    }
    let call = context.ec2().detach_network_interface();
    let call = call.attachment_id(attachment).force(true).send().await;
    match call.map_err(|error| api("DetachNetworkInterface", &error)) {
        Err(error) if not_found(&error) || denied(&error) => {
            match holding::attachment(context.ec2(), id).await? {
                Some(_) => Err(error),
                None => Ok(()),
            }
        }
        result => result.map(|_| ()),
    }
}

/// Deletes a route table; a subnet that still uses it is taken off first.
async fn route_table(context: &CloudContext<'_>, id: &str) -> Result<(), CloudError> {
    let delete = || async {
        let call = context
            .ec2()
            .delete_route_table()
            .route_table_id(id)
            .send()
            .await;
        call.map(|_| ())
            .map_err(|error| api("DeleteRouteTable", &error))
    };
    match delete().await {
        Err(error) if held(&error) => {
            for association in holding::associations(context.ec2(), id).await? {
                let call = context
                    .ec2()
                    .disassociate_route_table()
                    .association_id(&association)
                    .send()
                    .await;
                match call.map_err(|error| api("DisassociateRouteTable", &error)) {
                    Err(error) if not_found(&error) || denied(&error) => {
                        let left = holding::associations(context.ec2(), id).await?;
                        if left.contains(&association) {
                            return Err(error);
                        }
                    }
                    result => {
                        result?;
                    }
                }
            }
            delete().await
        }
        result => result,
    }
}

/// Who holds a thing that cannot be deleted: said by name, never touched.
async fn holder(context: &CloudContext<'_>, kind: Kind, id: &str) -> Option<CloudError> {
    let by = match kind {
        Kind::Group => "group-id",
        Kind::Subnet => "subnet-id",
        Kind::Gateway | Kind::Vpc | Kind::RouteTable => "vpc-id",
        Kind::Interface | Kind::Volume | Kind::KeyPair => return None,
    };
    // What cannot be asked is not said: the caller's error stands.
    let (ec2, ours) = (context.ec2(), context.wanted.id.as_str());
    let mut foreign = holding::tenants(ec2, tags::filter(by, id), ours)
        .await
        .ok()?;
    if kind == Kind::Vpc {
        foreign.extend(holding::foreign_groups(ec2, id, ours).await.ok()?);
    }
    let output = if foreign.is_empty() {
        "something uses it that AWS does not name".into()
    } else {
        format!(
            "it is used by {}, which is not part of this deployment: delete that in the VPC console (GuardDuty and other services \
             of AWS put endpoints with groups of their own into each VPC), then `teardown` again",
            foreign.join(", ")
        )
    };
    Some(CloudError::Deadline {
        what: format!("deleting the {} {id}", kind.words().0),
        seconds: context.pace().gone.as_secs(),
        output,
    })
}
