//! Machines: making, starting and waiting for them.

use aws_sdk_ec2::types::{
    BlockDeviceMapping, EbsBlockDevice, HttpTokensState, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, InstanceType,
    ResourceType, ShutdownBehavior, VolumeType,
};
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::apply::Hands;
use super::failure::{api, code, no_capacity, not_found};
use super::network::resource_name;
use super::notes::{Attempt, note};
use super::operation::{Launch, Place};
use super::running::{Died, running};
use super::settings::OnTtl;
use super::{observe, tags, user_data, wait};
use crate::cloud::CloudError;
use crate::machine::Machine;

/// The code of a call whose token was used for another one.
const TOKEN_USED: &str = "IdempotentParameterMismatch";

/// Makes a node's machine in the first zone that has room, and waits until it runs.
pub async fn launch(hands: &Hands<'_>, launch: &Launch) -> Result<Machine, CloudError> {
    let node = launch.node.as_str();
    hands.notes.record(
        note::IMAGE,
        &format!("{} {}", launch.image, launch.root_device),
    )?;
    let mut full = Vec::new();
    let mut number = launch.attempt;
    for place in starting_at(&launch.zones, hands, node) {
        let subnet = hands.subnet(place).await?;
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
        write_note(hands, node, &attempt)?;
        hands.progress.line(
            Some(node),
            &format!("asks for a {} in {}", attempt.instance_type, place.zone),
        );
        let mut result = run(hands, launch, &attempt, &subnet).await;
        if matches!(&result, Err(error) if code(error) == TOKEN_USED) {
            // Nothing came of that number, and EC2 wants its token never to be used again ("Ensuring idempotency").
            number += 1;
            attempt.number = number;
            write_note(hands, node, &attempt)?;
            result = run(hands, launch, &attempt, &subnet).await;
        }
        let refusal = match result {
            Ok(id) => {
                attempt.instance = Some(id.clone());
                write_note(hands, node, &attempt)?;
                match running(hands, node, &id, launch.public_ip).await {
                    Ok(machine) => return Ok(machine),
                    Err(Died {
                        reason: Some(reason),
                        ..
                    }) if no_capacity(reason.split(':').next().unwrap_or_default()) => reason,
                    Err(died) => return Err(died.error),
                }
            }
            Err(error) if no_capacity(code(&error)) => error.to_string(),
            Err(error) => return Err(error),
        };
        hands
            .progress
            .line(Some(node), &format!("no room in {}: {refusal}", place.zone));
        full.push(place.zone.as_str());
        number += 1;
    }
    // A number is never used twice with another zone.
    let last = Attempt::read(&hands.noted(&note::launch(node)), node);
    if let Some(mut attempt) = last {
        attempt.number = number;
        attempt.instance = None;
        attempt.zone.clear();
        write_note(hands, node, &attempt)?;
    }
    Err(CloudError::Refused(format!(
        "{node}: AWS has no room for another {} in {}: try later, or another `instance_type` or more `zones`",
        launch.instance_type,
        full.join(", ")
    )))
}

/// The zones in order; an attempt whose answer got lost is repeated where it was.
fn starting_at<'a>(places: &'a [Place], hands: &Hands<'_>, node: &str) -> Vec<&'a Place> {
    let open = Attempt::read(&hands.noted(&note::launch(node)), node)
        .filter(|attempt| attempt.instance.is_none());
    let mut order: Vec<&Place> = places.iter().collect();
    order.sort_by_key(|place| {
        open.as_ref()
            .is_none_or(|attempt| attempt.zone != place.zone)
    });
    order
}

pub(super) fn write_note(
    hands: &Hands<'_>,
    node: &str,
    attempt: &Attempt,
) -> Result<(), CloudError> {
    let text =
        serde_json::to_string(attempt).map_err(|error| CloudError::Refused(error.to_string()))?;
    hands.notes.record(&note::launch(node), &text)
}

async fn run(
    hands: &Hands<'_>,
    launch: &Launch,
    attempt: &Attempt,
    subnet: &str,
) -> Result<String, CloudError> {
    let settings = hands.settings();
    let wanted = hands.wanted;
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
        .groups(hands.id(&launch.group)?)
        .associate_public_ip_address(launch.public_ip)
        .delete_on_termination(true)
        .build();
    let metadata = InstanceMetadataOptionsRequest::builder()
        .http_tokens(HttpTokensState::Required)
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .build();
    let shutdown = match settings.on_ttl {
        OnTtl::Stop => ShutdownBehavior::Stop,
        OnTtl::Terminate => ShutdownBehavior::Terminate,
    };
    // The token makes it safe to repeat: by the SDK, by this loop, and by the next `up`.
    let call = hands
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
            hands.notes.record(note::ACCOUNT, account)?;
        }
        let id = answer
            .instances()
            .first()
            .and_then(|instance| instance.instance_id());
        id.map(str::to_owned)
            .ok_or_else(|| CloudError::Refused(format!("{node}: AWS answered without a machine")))
    };
    let result = wait::while_failing(hands.pace(), hands.pace().settle, not_found_yet, call).await;
    match result {
        // The same attempt with other settings: the machine is there as it was first asked for.
        Err(error) if code(&error) == TOKEN_USED => made_before(hands, node).await?.ok_or(error),
        result => result,
    }
}

/// The machine that an earlier call made. It may not be listed yet.
async fn made_before(hands: &Hands<'_>, node: &str) -> Result<Option<String>, CloudError> {
    let start = Instant::now();
    loop {
        let seen = observe::instances(hands.ec2(), hands.scope()).await?;
        let made = seen
            .into_iter()
            .find(|instance| instance.node() == Some(node) && instance.lives());
        if made.is_some() || start.elapsed() > hands.pace().settle {
            return Ok(made.map(|instance| instance.id));
        }
        sleep(hands.pace().poll).await;
    }
}

/// The subnet, group or key was made a moment ago. An image or type that is not there will not come.
fn not_found_yet(error: &CloudError) -> bool {
    not_found(error)
        && !code(error).starts_with("InvalidAMIID")
        && !code(error).starts_with("InvalidInstanceType")
}
