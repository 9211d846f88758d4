//! Machines: making, starting and waiting for them.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, IamInstanceProfileSpecification,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest,
    InstanceNetworkInterfaceSpecification, InstanceType, ResourceType, ShutdownBehavior,
    VolumeType,
};
use jiff::Timestamp;

use super::context::CloudContext;
use super::failure::{api, code, no_capacity, not_found, unanswered};
use super::notes::{Attempt, note};
use super::observed::METADATA_HOPS;
use super::operation::{Launch, Place, Ref};
use super::running::{Died, running};
use super::settings::OnTtl;
use super::tags::resource_name;
use super::{make, observe, tags, user_data, wait};
use crate::cloud::CloudError;
use crate::cloud::reconcile::Listed as _;
use crate::machine::Machine;

/// The code of a call whose token was used for another one.
const TOKEN_USED: &str = "IdempotentParameterMismatch";

/// Makes a node's machine in the first zone that has room, and waits until it runs.
pub async fn launch(context: &CloudContext<'_>, launch: &Launch) -> Result<Machine, CloudError> {
    let node = launch.node.as_str();
    context.notes.record(
        note::IMAGE,
        &format!("{} {}", launch.image, launch.root_device),
    )?;
    let mut full = Vec::new();
    let mut number = launch.attempt;
    for place in starting_at(&launch.zones, context, node) {
        let subnet = subnet(context, place).await?;
        let mut attempt = Attempt {
            number,
            zone: place.zone.clone(),
            image: launch.image.clone(),
            instance_type: launch.instance_type.clone(),
            expires: launch.expires,
            noted: Timestamp::now(),
            instance: None,
            ran: false,
        };
        attempt.write(context.notes, node)?;
        context.progress.line(
            Some(node),
            &format!("asks for a {} in {}", attempt.instance_type, place.zone),
        );
        let mut result = run(context, launch, &attempt, &subnet).await;
        if matches!(&result, Err(error) if code(error) == TOKEN_USED) {
            // Nothing came of that number, and EC2 wants its token never to be used again ("Ensuring idempotency").
            number += 1;
            attempt.number = number;
            attempt.write(context.notes, node)?;
            result = run(context, launch, &attempt, &subnet).await;
        }
        let refusal = match result {
            Ok(id) => {
                attempt.instance = Some(id.clone());
                attempt.write(context.notes, node)?;
                match running(context, node, &id, launch.public_ip).await {
                    Ok(machine) => return Ok(machine),
                    Err(Died {
                        reason: Some(reason),
                        ..
                    }) if no_capacity(reason.split(':').next().unwrap_or_default()) => reason,
                    Err(died) => return Err(died.error),
                }
            }
            Err(error) if no_capacity(code(&error)) => error.to_string(),
            Err(error) if unanswered(&error) => return Err(error),
            Err(error) => {
                // Nothing came of it, so that nobody waits for it; its token is not used for anything else.
                attempt.number = number + 1;
                attempt.zone.clear();
                attempt.write(context.notes, node)?;
                return Err(error);
            }
        };
        context
            .progress
            .line(Some(node), &format!("no room in {}: {refusal}", place.zone));
        full.push(place.zone.as_str());
        number += 1;
    }
    // A number is never used twice with another zone.
    let last = Attempt::read(&context.noted(&note::launch(node)), node);
    if let Some(mut attempt) = last {
        attempt.number = number;
        attempt.instance = None;
        attempt.zone.clear();
        attempt.write(context.notes, node)?;
    }
    Err(CloudError::Refused(format!(
        "{node}: AWS has no room for another {} in {}: try later, or another `instance_type` or more `zones`",
        launch.instance_type,
        full.join(", ")
    )))
}

/// The zones in order; an attempt whose answer got lost is repeated where it was.
fn starting_at<'a>(places: &'a [Place], context: &CloudContext<'_>, node: &str) -> Vec<&'a Place> {
    let open = Attempt::read(&context.noted(&note::launch(node)), node)
        .filter(|attempt| attempt.instance.is_none());
    let mut order: Vec<&Place> = places.iter().collect();
    order.sort_by_key(|place| {
        open.as_ref()
            .is_none_or(|attempt| attempt.zone != place.zone)
    });
    order
}

async fn run(
    context: &CloudContext<'_>,
    launch: &Launch,
    attempt: &Attempt,
    subnet: &str,
) -> Result<String, CloudError> {
    let settings = context.settings();
    let wanted = context.wanted;
    let node = launch.node.as_str();
    let machine = wanted
        .machines
        .get(node)
        .ok_or_else(|| CloudError::Refused(format!("{node}: nobody wants a machine for it")))?;
    let text = user_data::render(
        machine,
        &wanted.user_key,
        &settings.ssh_keys,
        attempt.expires,
    )?;
    let mut tags = tags::of(wanted, settings, Some(node));
    let disk_tags = tags.clone();
    tags.extend([tags::expiry(attempt.expires)]);
    let disk = EbsBlockDevice::builder()
        .volume_type(VolumeType::Gp3)
        .volume_size(i32::try_from(settings.disk_gib).unwrap_or(i32::MAX))
        .encrypted(true)
        .delete_on_termination(true)
        .build();
    let interface = InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .subnet_id(subnet)
        .groups(context.id(&launch.group)?)
        .associate_public_ip_address(launch.public_ip)
        .delete_on_termination(true)
        .build();
    let metadata = InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::Required)
        .http_put_response_hop_limit(METADATA_HOPS)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .build();
    let shutdown = match settings.on_ttl {
        OnTtl::Stop => ShutdownBehavior::Stop,
        OnTtl::Terminate => ShutdownBehavior::Terminate,
    };
    let profile = launch.profile.as_ref();
    let profile = profile.map(|name| {
        let by_name = IamInstanceProfileSpecification::builder();
        by_name.name(name).build()
    });
    // The token makes it safe to repeat: by the SDK, by this loop, and by the next `up`.
    let call = context
        .ec2()
        .run_instances()
        .client_token(attempt.token(&wanted.id, node))
        .min_count(1)
        .max_count(1)
        .image_id(&attempt.image)
        .instance_type(InstanceType::from(attempt.instance_type.as_str()))
        .key_name(resource_name(&wanted.id))
        .user_data(user_data::encode(&text))
        .instance_initiated_shutdown_behavior(shutdown)
        .metadata_options(metadata)
        .block_device_mappings(
            BlockDeviceMapping::builder()
                .device_name(&launch.root_device)
                .ebs(disk)
                .build(),
        )
        .network_interfaces(interface)
        .set_iam_instance_profile(profile)
        .tag_specifications(tags::specification(ResourceType::Instance, &tags))
        .tag_specifications(tags::specification(ResourceType::Volume, &disk_tags))
        .tag_specifications(tags::specification(
            ResourceType::NetworkInterface,
            &disk_tags,
        ));
    let call = || async {
        let answer = call
            .clone()
            .send()
            .await
            .map_err(|error| api("RunInstances", &error))?;
        if let Some(account) = answer.owner_id() {
            context.notes.record(note::ACCOUNT, account)?;
        }
        let id = answer
            .instances()
            .first()
            .and_then(|instance| instance.instance_id());
        id.map(str::to_owned)
            .ok_or_else(|| CloudError::Refused(format!("{node}: AWS answered without a machine")))
    };
    let result =
        wait::while_failing(context.pace(), context.pace().settle, not_found_yet, call).await;
    match result {
        // The same attempt with other settings: the machine is there as it was first asked for.
        Err(error) if code(&error) == TOKEN_USED => made_before(context, node).await?.ok_or(error),
        result => result,
    }
}

/// The machine that an earlier call made. It may not be listed yet.
async fn made_before(context: &CloudContext<'_>, node: &str) -> Result<Option<String>, CloudError> {
    let look = || async {
        let seen = observe::instances(context.ec2(), context.scope()).await?;
        let mut seen = seen.into_iter();
        let made = seen.find(|instance| instance.node() == Some(node) && instance.lives());
        Ok(made.map(|instance| instance.id))
    };
    wait::until_settled(context.pace(), look, Option::is_some).await
}

/// The subnet, group or key was made a moment ago. An image or type that is not there will not come.
fn not_found_yet(error: &CloudError) -> bool {
    not_found(error)
        && !code(error).starts_with("InvalidAMIID")
        && !code(error).starts_with("InvalidInstanceType")
}

/// The subnet of a zone, which is made when it is not there.
async fn subnet(context: &CloudContext<'_>, place: &Place) -> Result<String, CloudError> {
    let Some((cidr, vpc, table)) = &place.make else {
        return context.id(&place.subnet);
    };
    // Machines that leave a full zone together must not each make one.
    let _turn = context.aws.turn.lock().await;
    if let Ok(id) = context.id(&place.subnet) {
        return Ok(id);
    }
    make::subnet(context, vpc, &place.zone, cidr).await?;
    let subnet = context.id(&place.subnet)?;
    make::association(context, table, &Ref::Id(subnet.clone())).await?;
    Ok(subnet)
}
