//! Taking away. What is gone already is gone; what holds on is waited for, until a deadline.

use std::collections::BTreeSet;

use tokio::time::{Instant, sleep};

use super::apply::Hands;
use super::failure::{api, code, not_found};
use super::make_access::revoke;
use super::observed::{Instance, State};
use super::operation::Kind;
use super::rules::{Rule, Way};
use super::{holding, observe, tags, wait};
use crate::cloud::CloudError;

/// Deletes machines and waits until they are gone, with what AWS leaves of them.
pub(super) async fn terminate(
    hands: &Hands<'_>,
    instances: &BTreeSet<String>,
) -> Result<(), CloudError> {
    let asked = |ids: Vec<String>| async {
        let call = hands
            .ec2()
            .terminate_instances()
            .set_instance_ids(Some(ids))
            .send();
        call.await
            .map(|_| ())
            .map_err(|error| api("TerminateInstances", &error))
    };
    let ours = |seen: &[Instance]| -> Vec<Instance> {
        seen.iter()
            .filter(|one| instances.contains(&one.id) && one.state != State::Terminated)
            .cloned()
            .collect()
    };
    match asked(instances.iter().cloned().collect()).await {
        // One that AWS has forgotten fails them all.
        Err(error) if not_found(&error) => {
            let rest = ours(&observe::instances(hands.ec2(), hands.scope()).await?);
            if !rest.is_empty() {
                asked(rest.into_iter().map(|one| one.id).collect()).await?;
            }
        }
        result => result?,
    }
    hands.forget_look().await;
    let (start, pace) = (Instant::now(), hands.pace());
    loop {
        let rest = ours(&hands.look().await?);
        if rest.is_empty() {
            break;
        }
        for one in &rest {
            hands
                .progress
                .line(one.node(), &format!("{} is {}", one.id, one.state.name()));
        }
        if start.elapsed() > pace.gone {
            let lines: Vec<String> = rest
                .iter()
                .map(|one| format!("{} is {}", one.id, one.state.name()))
                .collect();
            return Err(CloudError::Deadline {
                what: format!("deleting {} machines", rest.len()),
                seconds: pace.gone.as_secs(),
                output: lines.join("\n"),
            });
        }
        sleep(pace.poll).await;
    }
    outlived(hands).await
}

/// Interfaces and disks normally go with their machine.
async fn outlived(hands: &Hands<'_>) -> Result<(), CloudError> {
    let start = Instant::now();
    loop {
        let seen = holding::attached(hands.ec2(), hands.scope()).await?;
        let living = observe::instances(hands.ec2(), hands.scope()).await?;
        let (interfaces, volumes) = seen.outliving(&living);
        if interfaces.is_empty() && volumes.is_empty() {
            return Ok(());
        }
        if start.elapsed() > hands.pace().settle / 4 {
            for interface in &interfaces {
                delete(hands, Kind::Interface, &interface.id, None).await?;
            }
            for volume in &volumes {
                delete(hands, Kind::Volume, &volume.id, None).await?;
            }
            return Ok(());
        }
        sleep(hands.pace().poll).await;
    }
}

/// Deletes one thing.
pub(super) async fn delete(
    hands: &Hands<'_>,
    kind: Kind,
    id: &str,
    vpc: Option<&str>,
) -> Result<(), CloudError> {
    if kind == Kind::Group {
        // A rule that names a group keeps that group.
        revoke(hands, id, Way::In, &BTreeSet::from([Rule::members()])).await?;
    }
    if let (Kind::Gateway, Some(vpc)) = (kind, vpc) {
        let detach = || async {
            let call = hands
                .ec2()
                .detach_internet_gateway()
                .internet_gateway_id(id)
                .vpc_id(vpc)
                .send();
            call.await
                .map(|_| ())
                .map_err(|error| api("DetachInternetGateway", &error))
        };
        match wait::while_failing(hands.pace(), hands.pace().gone, held, detach).await {
            Err(error) if not_found(&error) || code(&error) == "Gateway.NotAttached" => {}
            result => result?,
        }
    }
    let result = wait::while_failing(hands.pace(), hands.pace().gone, held, || {
        one(hands, kind, id)
    })
    .await;
    match result {
        Err(error) if not_found(&error) => Ok(()),
        Err(error) if held(&error) => Err(holder(hands, kind, id).await.unwrap_or(error)),
        result => result,
    }
}

/// Something still uses it.
fn held(error: &CloudError) -> bool {
    matches!(
        code(error),
        "DependencyViolation"
            | "VolumeInUse"
            | "InvalidNetworkInterface.InUse"
            | "InvalidGroup.InUse"
            | "IncorrectState"
    )
}

async fn one(hands: &Hands<'_>, kind: Kind, id: &str) -> Result<(), CloudError> {
    let ec2 = hands.ec2();
    match kind {
        Kind::Interface => interface(hands, id).await,
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
        Kind::RouteTable => route_table(hands, id).await,
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
async fn interface(hands: &Hands<'_>, id: &str) -> Result<(), CloudError> {
    let delete = || async {
        let call = hands
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
            if let Some(attachment) = holding::attachment(hands.ec2(), id).await? {
                let call = hands
                    .ec2()
                    .detach_network_interface()
                    .attachment_id(attachment)
                    .force(true)
                    .send()
                    .await;
                call.map_err(|error| api("DetachNetworkInterface", &error))?;
            }
            delete().await
        }
        result => result,
    }
}

/// Deletes a route table; a subnet that still uses it is taken off first.
async fn route_table(hands: &Hands<'_>, id: &str) -> Result<(), CloudError> {
    let delete = || async {
        let call = hands
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
            for association in holding::associations(hands.ec2(), id).await? {
                let call = hands
                    .ec2()
                    .disassociate_route_table()
                    .association_id(association)
                    .send()
                    .await;
                match call.map_err(|error| api("DisassociateRouteTable", &error)) {
                    Err(error) if !not_found(&error) => return Err(error),
                    _ => {}
                }
            }
            delete().await
        }
        result => result,
    }
}

/// Who holds a thing that cannot be deleted: said by name, never touched.
async fn holder(hands: &Hands<'_>, kind: Kind, id: &str) -> Option<CloudError> {
    let by = match kind {
        Kind::Group => "group-id",
        Kind::Subnet => "subnet-id",
        Kind::Gateway | Kind::Vpc | Kind::RouteTable => "vpc-id",
        Kind::Interface | Kind::Volume | Kind::KeyPair => return None,
    };
    let tenants = holding::tenants(hands.ec2(), by, id).await.ok()?;
    let foreign: Vec<String> = tenants
        .into_iter()
        .filter(|(_, tags)| tags.get(tags::ID) != Some(&hands.wanted.id))
        .map(|(id, _)| id)
        .collect();
    let output = if foreign.is_empty() {
        "something uses it that AWS does not name".into()
    } else {
        format!(
            "it is used by {}, which is not part of this deployment",
            foreign.join(", ")
        )
    };
    Some(CloudError::Deadline {
        what: format!("deleting the {} {id}", kind.words().0),
        seconds: hands.pace().gone.as_secs(),
        output,
    })
}
