//! Choosing among the site's offers: image, flavors, networks. Asked for only when something is to be made.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use futures_util::future::try_join4;
use serde_json::Value;

use super::observed::{RESERVED, Size};
use super::session::{Service, Session};
use super::settings::{Settings, Site};
use crate::cloud::{CloudError, Wanted};

/// What the site offers, as far as a deployment wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The image's id.
    pub image: String,
    /// The network's id; `None`: it is to be one of our own.
    pub network: Option<String>,
    /// Name servers for a network of our own; none: the site's usual ones.
    pub name_servers: Vec<Ipv4Addr>,
    /// The id of the network that floating IPs are of.
    pub external: String,
    /// Node → its flavor.
    pub flavors: BTreeMap<String, Offer>,
}

/// A flavor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its size.
    pub size: Size,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// What it needs at least.
    pub needs: Size,
}

/// Looks for all that is wanted.
pub async fn choose(
    session: &Session,
    wanted: &Wanted,
    settings: &Settings,
    kept: Option<&str>,
) -> Result<Catalog, CloudError> {
    let name = kept.unwrap_or(&settings.image);
    let (image, flavors, network, external) = try_join4(
        image(session, name),
        flavors(session),
        shared_network(session, settings),
        external(session),
    )
    .await?;
    let flavors = wanted.machines.iter().map(|(node, machine)| {
        let offer = flavor(&flavors, settings, machine.memory_mib, &image)?;
        Ok((node.clone(), offer))
    });
    Ok(Catalog {
        flavors: flavors.collect::<Result<_, CloudError>>()?,
        image: image.id,
        network,
        name_servers: Site::at(&session.login().auth_url)
            .map(Site::name_servers)
            .unwrap_or_default(),
        external,
    })
}

/// The id of the network that is there for the machines; `None`: they get one of their own.
async fn shared_network(
    session: &Session,
    settings: &Settings,
) -> Result<Option<String>, CloudError> {
    if settings.own_network().is_some() {
        return Ok(None);
    }
    network(session, &settings.network).await.map(Some)
}

/// The image of a name or id; the newest of several.
pub async fn image(session: &Session, name: &str) -> Result<Image, CloudError> {
    let answer = session
        .get(
            Service::Image,
            "/images?status=active&limit=500&sort=created_at:desc",
        )
        .await?;
    let images = list(&answer, "images");
    let found = images
        .iter()
        .find(|image| image["id"] == name)
        .or_else(|| images.iter().find(|image| image["name"] == name));
    let found = found.ok_or_else(|| missing("image", name, &images))?;
    let number = |key: &str| found[key].as_u64().unwrap_or_default();
    Ok(Image {
        id: found["id"].as_str().unwrap_or_default().into(),
        needs: Size {
            processors: 0,
            memory_mib: number("min_ram"),
            disk_gib: number("min_disk"),
        },
    })
}

/// All flavors of the site, the smallest first.
pub async fn flavors(session: &Session) -> Result<Vec<Offer>, CloudError> {
    let answer = session.get(Service::Compute, "/flavors/detail").await?;
    let mut offers: Vec<Offer> = list(&answer, "flavors")
        .iter()
        .filter_map(|seen| {
            let number = |key: &str| seen[key].as_u64().unwrap_or_default();
            Some(Offer {
                id: seen["id"].as_str()?.into(),
                name: seen["name"].as_str()?.into(),
                size: Size {
                    processors: number("vcpus"),
                    memory_mib: number("ram"),
                    disk_gib: number("disk"),
                },
            })
        })
        // Everybody's reservations are listed, too.
        .filter(|offer| !offer.name.starts_with(RESERVED))
        .collect();
    offers.sort_by_key(|offer| (offer.size.memory_mib, offer.size, offer.name.clone()));
    Ok(offers)
}

/// The flavor for a machine that needs this much memory.
pub fn flavor(
    offers: &[Offer],
    settings: &Settings,
    memory_mib: u64,
    image: &Image,
) -> Result<Offer, CloudError> {
    let needs = memory_mib.max(image.needs.memory_mib);
    let fits = |offer: &Offer| {
        offer.size.memory_mib >= needs && offer.size.disk_gib >= image.needs.disk_gib
    };
    if let Some(name) = &settings.flavor {
        let mut named = offers.iter();
        let offer = named.find(|offer| offer.name == *name || offer.id == *name);
        let offer = offer.ok_or_else(|| {
            let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
            not_found("flavor", name, &names)
        })?;
        return if fits(offer) {
            Ok(offer.clone())
        } else {
            Err(CloudError::Refused(format!(
                "`flavor`: {name} has {} MiB of memory and {} GiB of disk; {needs} MiB and {} GiB are needed",
                offer.size.memory_mib, offer.size.disk_gib, image.needs.disk_gib
            )))
        };
    }
    // Virtual machines for everybody: others have GPUs, or are whole hosts.
    let mut usual = offers.iter().filter(|offer| offer.name.starts_with("m1."));
    let found = usual.find(|offer| fits(offer)).cloned();
    found.ok_or_else(|| {
        CloudError::Refused(format!(
            "no flavor m1.* of this site has {needs} MiB of memory: set `flavor`"
        ))
    })
}

/// The id of a network by name or id.
pub async fn network(session: &Session, name: &str) -> Result<String, CloudError> {
    let answer = session.get(Service::Network, "/networks").await?;
    let networks = list(&answer, "networks");
    let found = networks
        .iter()
        .find(|one| one["id"] == name || one["name"] == name);
    let found = found.and_then(|one| one["id"].as_str());
    found
        .map(Into::into)
        .ok_or_else(|| missing("network", name, &networks))
}

/// The id of the network that floating IPs are of.
pub async fn external(session: &Session) -> Result<String, CloudError> {
    let path = "/networks?router:external=true";
    let answer = session.get(Service::Network, path).await?;
    let networks = list(&answer, "networks");
    let usual = networks.iter().find(|one| one["name"] == "public");
    let found = usual.or(networks.first());
    let found = found.and_then(|one| one["id"].as_str()).map(Into::into);
    found.ok_or_else(|| {
        CloudError::Refused(
            "this site has no external network, so there are no floating IPs".into(),
        )
    })
}

fn list<'a>(answer: &'a Value, key: &str) -> Vec<&'a Value> {
    answer[key].as_array().into_iter().flatten().collect()
}

fn missing(kind: &str, name: &str, all: &[&Value]) -> CloudError {
    let names: Vec<&str> = all.iter().filter_map(|one| one["name"].as_str()).collect();
    not_found(kind, name, &names)
}

/// Says that there is no such thing, and which names are nearest.
fn not_found(kind: &str, name: &str, names: &[&str]) -> CloudError {
    let mut near: Vec<&str> = names.to_vec();
    near.sort_by_key(|one| strsim::levenshtein(&one.to_lowercase(), &name.to_lowercase()));
    near.dedup();
    near.truncate(3);
    let nearest = if near.is_empty() {
        "this project sees none".to_owned()
    } else {
        format!("the nearest are {}", near.join(", "))
    };
    CloudError::Refused(format!("`{kind}`: there is no {kind} `{name}`: {nearest}"))
}
