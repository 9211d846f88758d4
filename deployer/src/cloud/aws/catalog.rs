//! Choosing among AWS's offers: the image, and the zones that have the instance types. Asked for only when a machine is to be
//! made, so that every wrong choice is found before money is spent.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Filter, Image, InstanceType, LocationType};

use super::failure::{api, not_found};
use super::kinds;
use super::notes::note;
use super::observed::Observed;
use super::settings::{CANONICAL, Settings};
use super::tags::filter;
use super::view::Catalog;
use crate::cloud::reconcile::Listed as _;
use crate::cloud::{CloudError, Wanted};

/// What to make machines of; empty when none is to be made.
pub async fn choose(
    ec2: &Client,
    wanted: &Wanted,
    settings: &Settings,
    observed: &Observed,
) -> Result<Catalog, CloudError> {
    let there = |node: &str| {
        observed
            .instances
            .iter()
            .any(|instance| instance.lives() && instance.node() == Some(node))
    };
    let missing: Vec<_> = wanted
        .machines
        .iter()
        .filter(|(node, _)| !there(node))
        .map(|(_, machine)| machine)
        .collect();
    if missing.is_empty() {
        return Ok(Catalog::default());
    }
    if let Some(built_for) = wanted
        .architecture
        .as_ref()
        .filter(|built_for| **built_for != settings.architecture.machine())
    {
        return Err(CloudError::Refused(format!(
            "the agent binaries are for {built_for}, `architecture` says {}: `deployer build-agents --target {}` builds them where `up` finds them",
            settings.architecture.name(),
            settings.architecture.machine()
        )));
    }
    let types = missing
        .iter()
        .map(|machine| settings.type_for(machine.memory_mib))
        .collect::<Result<BTreeSet<_>, _>>();
    let types = types.map_err(CloudError::Refused)?;
    let (image, offers, kinds) = futures_util::try_join!(
        image(ec2, wanted, settings),
        offers(ec2, &types, settings),
        kinds::of(ec2, &types)
    )?;
    let misfit = missing
        .iter()
        .find_map(|machine| kinds::misfit(machine, settings, &kinds));
    if let Some(misfit) = misfit {
        return Err(CloudError::Refused(misfit));
    }
    Ok(Catalog {
        image: image.0,
        root_device: image.1,
        offers,
        kinds,
    })
}

/// Who publishes an image in a region. Canonical has an account for each of AWS's partitions (its documentation, "Find Ubuntu images
/// on AWS"): accounts of one partition are not known in another.
fn owner<'a>(owner: &'a str, region: &str) -> &'a str {
    match region.split_once('-') {
        Some(("cn", _)) if owner == CANONICAL => "837727238323",
        Some(("us", rest)) if owner == CANONICAL && rest.starts_with("gov-") => "513442679011",
        _ => owner,
    }
}

/// The image that was chosen at the first `up`, else the newest that fits: its id and root device.
async fn image(
    ec2: &Client,
    wanted: &Wanted,
    settings: &Settings,
) -> Result<(String, String), CloudError> {
    let rule = &settings.image;
    let noted = wanted
        .notes
        .get(note::IMAGE)
        .and_then(|text| text.split_once(' '));
    let noted = noted.filter(|(id, _)| rule.id.as_ref().is_none_or(|wanted| wanted == id));
    if let Some((id, device)) = noted {
        return Ok((id.into(), device.into()));
    }
    let pattern = rule.pattern_for(settings.architecture);
    let region = ec2.config().region().map_or("", AsRef::as_ref);
    let owner = owner(&rule.owner, region);
    let call = match &rule.id {
        Some(id) => ec2.describe_images().image_ids(id),
        None => ec2
            .describe_images()
            .owners(owner)
            .filters(filter("name", &pattern))
            .filters(filter("architecture", settings.architecture.name()))
            .filters(filter("state", "available")),
    };
    let images = match call
        .send()
        .await
        .map_err(|error| api("DescribeImages", &error))
    {
        Err(error)
            if not_found(&error) || super::failure::code(&error) == "InvalidAMIID.Malformed" =>
        {
            Vec::new()
        }
        answer => answer?.images.unwrap_or_default(),
    };
    let newest = images
        .iter()
        .max_by_key(|image| image.creation_date().unwrap_or_default().to_owned());
    let Some(image) = newest else {
        return Err(CloudError::Refused(match &rule.id {
            Some(id) => format!("`image`: there is no image {id} in this region"),
            None => format!(
                "`image`: the account {owner} has no image `{pattern}` for {} in this region",
                settings.architecture.name()
            ),
        }));
    };
    fits(image, settings)?;
    Ok((
        image.image_id().unwrap_or_default().into(),
        image.root_device_name().unwrap_or("/dev/sda1").into(),
    ))
}

fn fits(image: &Image, settings: &Settings) -> Result<(), CloudError> {
    let built_for = image
        .architecture()
        .map_or("", |architecture| architecture.as_str());
    if built_for != settings.architecture.name() {
        return Err(CloudError::Refused(format!(
            "`image`: {} is for {built_for}, `architecture` says {}",
            image.image_id().unwrap_or_default(),
            settings.architecture.name()
        )));
    }
    let least = image
        .block_device_mappings()
        .iter()
        .filter_map(|disk| disk.ebs()?.volume_size())
        .max()
        .unwrap_or(0);
    if i64::from(least) > i64::from(settings.disk_gib) {
        return Err(CloudError::Refused(format!(
            "`disk_gib`: the image needs at least {least}"
        )));
    }
    Ok(())
}

/// Whether a zone is one of the region's own: its name and a letter. Local and Wavelength Zones have other prices and quotas, and
/// sort before it (`us-east-1-atl-1a`; karpenter #5239): they are used only when the user names them.
fn of_region(zone: &str, region: &str) -> bool {
    let letter = zone.strip_prefix(region);
    letter.is_some_and(|letter| letter.len() == 1)
}

/// Zones that offer each type.
async fn offers(
    ec2: &Client,
    types: &BTreeSet<String>,
    settings: &Settings,
) -> Result<BTreeMap<String, Vec<String>>, CloudError> {
    let these = Filter::builder()
        .name("instance-type")
        .set_values(Some(types.iter().cloned().collect()))
        .build();
    let call = ec2
        .describe_instance_type_offerings()
        .location_type(LocationType::AvailabilityZone)
        .filters(these);
    let offered: Vec<_> = call
        .into_paginator()
        .items()
        .send()
        .try_collect()
        .await
        .map_err(|error| api("DescribeInstanceTypeOfferings", &error))?;
    let region = ec2.config().region().map(ToString::to_string);
    let mut zones: BTreeMap<String, Vec<String>> =
        types.iter().map(|one| (one.clone(), Vec::new())).collect();
    for offer in &offered {
        let (kind, zone) = (
            offer.instance_type().map(InstanceType::as_str),
            offer.location(),
        );
        if let (Some(list), Some(zone)) = (kind.and_then(|kind| zones.get_mut(kind)), zone) {
            let named = settings.zones.iter().any(|one| one == zone);
            if named
                || region
                    .as_deref()
                    .is_none_or(|region| of_region(zone, region))
            {
                list.push(zone.into());
            }
        }
    }
    for list in zones.values_mut() {
        list.sort();
    }
    Ok(zones)
}
