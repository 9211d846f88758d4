//! Choosing among the site's offers: image, flavors, networks. Asked for only when something is to be made.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::try_join4;

use super::images::{self, Image};
use super::missing::{missing, not_found};
use super::observed::{RESERVED, Size};
use super::session::{Service, Session};
use super::settings::{Settings, Site};
use crate::cloud::{CloudError, Wanted, WantedMachine};

/// What the site offers, as far as a deployment wants it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The image.
    pub image: Image,
    /// The network's id; `None`: it is to be one of our own.
    pub network: Option<String>,
    /// Name servers for a network of our own; none: the site's usual ones.
    pub name_servers: Vec<Ipv4Addr>,
    /// The id of the network that floating IPs are of.
    pub external: String,
    /// The site, where it is one of Chameleon's.
    pub site: Option<Site>,
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

/// Looks for all that is wanted.
pub async fn choose(
    session: &Session,
    wanted: &Wanted,
    settings: &Settings,
    kept: Option<&str>,
) -> Result<Catalog, CloudError> {
    require_virtual_machines(settings, &session.login().auth_url)?;
    require_time(settings, &session.login().auth_url)?;
    let name = kept.unwrap_or(&settings.image);
    let (image, flavors, network, external) = try_join4(
        images::image(session, name),
        flavors(session),
        shared_network(session, settings),
        external(session),
    )
    .await?;
    let flavors = wanted.machines.iter().map(|(node, machine)| {
        let offer = flavor(&flavors, settings, machine, &image)?;
        Ok((node.clone(), offer))
    });
    let site = Site::at(&session.login().auth_url);
    Ok(Catalog {
        flavors: flavors.collect::<Result<_, CloudError>>()?,
        image,
        network,
        name_servers: site.map(Site::name_servers).unwrap_or_default(),
        site,
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

/// All flavors of the site, the smallest first.
pub async fn flavors(session: &Session) -> Result<Vec<Offer>, CloudError> {
    let seen = session.all(Service::Compute, "/flavors/detail", "flavors");
    let mut offers: Vec<Offer> = seen
        .await?
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

/// Refuses a site that has no virtual machines: everything else there could be made, and would be for nothing.
pub fn require_virtual_machines(settings: &Settings, auth_url: &str) -> Result<(), CloudError> {
    let mut sites = settings.site.into_iter().chain(Site::at(auth_url));
    match sites.find(|site| !site.has_virtual_machines()) {
        None => Ok(()),
        Some(site) => Err(CloudError::Refused(format!(
            "`site`: {} has bare metal only, which this program cannot lease yet: take `{}`, with credentials of that site",
            site.name(),
            Site::KvmTacc.name()
        ))),
    }
}

/// What Chameleon's machines take at most to be made, booted and filled: their lease would end before their first document.
const SHORTEST_AT_CHAMELEON: Duration = Duration::from_mins(30);

/// Refuses a lease that ends before its machines are of any use. Other sites may be quicker.
pub fn require_time(settings: &Settings, auth_url: &str) -> Result<(), CloudError> {
    let site = settings.site.or_else(|| Site::at(auth_url));
    match (site, settings.lease.0) {
        (Some(site), Some(lease)) if lease < SHORTEST_AT_CHAMELEON => {
            Err(CloudError::Refused(format!(
                "`lease`: {} is over before machines at {} are booted and filled, and they go with it: 30m is the least, and days are usual",
                settings.lease,
                site.name()
            )))
        }
        _ => Ok(()),
    }
}

/// A broker with others beside it, and Debian's packages before, take minutes on one processor.
const PROCESSORS_FOR_A_BROKER: u64 = 2;

/// The flavor for a machine: the one that the user names, or the smallest that fits.
pub fn flavor(
    offers: &[Offer],
    settings: &Settings,
    machine: &WantedMachine,
    image: &Image,
) -> Result<Offer, CloudError> {
    let needs = machine.memory_mib.max(image.needs.memory_mib);
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
    let usual = || offers.iter().filter(|offer| offer.name.starts_with("m1."));
    let at_ease = |offer: &&Offer| {
        // A broker is what hosts outside must reach.
        !machine.open || offer.size.processors >= PROCESSORS_FOR_A_BROKER
    };
    let fitting = || usual().filter(|offer| fits(offer));
    let found = fitting().find(at_ease).or_else(|| fitting().next());
    found.cloned().ok_or_else(|| {
        let others: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).take(5).collect();
        let why = match (usual().next(), others.as_slice()) {
            (Some(_), _) => format!("no flavor m1.* of this site has {needs} MiB of memory: set `flavor`"),
            (None, []) => "this site has no flavors, so no virtual machines".into(),
            (None, others) => format!(
                "this site has no flavors m1.*; it has {}: set `flavor` where one of these is a virtual machine's",
                others.join(", ")
            ),
        };
        CloudError::Refused(why)
    })
}

/// The id of a network by name or id.
pub async fn network(session: &Session, name: &str) -> Result<String, CloudError> {
    let networks = session
        .all(Service::Network, "/networks", "networks")
        .await?;
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
    let networks = session.all(Service::Network, path, "networks").await?;
    let usual = networks.iter().find(|one| one["name"] == "public");
    let found = usual.or(networks.first());
    let found = found.and_then(|one| one["id"].as_str()).map(Into::into);
    found.ok_or_else(|| {
        CloudError::Refused(
            "this site has no external network, so there are no floating IPs".into(),
        )
    })
}
