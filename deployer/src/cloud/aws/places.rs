//! Where machines may be made: zones that offer their type, each with a subnet. Pure.

use super::notes::note;
use super::observed::Subnet;
use super::operation::Network;
use super::operation::{Place, Ref};
use super::settings::Settings;
use super::view::View;
use crate::cloud::CloudError;

/// Zones that offer all types wanted: the user's in their order, else all.
pub(super) fn zones(view: &View<'_>) -> Vec<String> {
    let offered = |zone: &String| {
        view.catalog
            .offers
            .values()
            .all(|zones| zones.contains(zone))
    };
    if view.settings.zones.is_empty() {
        let all = view
            .catalog
            .offers
            .values()
            .next()
            .cloned()
            .unwrap_or_default();
        all.into_iter().filter(offered).collect()
    } else {
        view.settings
            .zones
            .iter()
            .filter(|zone| offered(zone))
            .cloned()
            .collect()
    }
}

/// Parts of our VPC's range that no subnet has.
pub(super) fn free_ranges<'a>(
    view: &'a View<'_>,
    used: &'a [&Subnet],
) -> Result<impl Iterator<Item = String> + 'a, CloudError> {
    let first = view.settings.subnet_range(0).map_err(CloudError::Refused)?;
    let range = view.settings.range().map_err(CloudError::Refused)?;
    let parts = range
        .subnets(first.prefix_len())
        .map_err(|error| CloudError::Refused(error.to_string()))?;
    Ok(parts
        .map(|part| part.to_string())
        .filter(|part| !used.iter().any(|subnet| subnet.cidr == *part)))
}

/// Refuses machines that would find no address in the user's subnets, and ranges of our own that hide hosts outside.
pub(super) fn room(view: &View<'_>, machines: usize) -> Result<(), CloudError> {
    let Settings { vpc, subnet, .. } = view.settings;
    if let Some(theirs) = subnet.as_ref().or(vpc.as_ref()) {
        let subnets = view.observed.subnets.iter();
        let usable = subnets.filter(|subnet| !view.settings.public_ip || subnet.open);
        let free = usable.map(|subnet| subnet.free);
        let free: i64 = free.map(i64::from).sum();
        if i64::try_from(machines).is_ok_and(|machines| machines <= free) {
            return Ok(());
        }
        let key = if subnet.is_some() { "subnet" } else { "vpc" };
        return Err(CloudError::Refused(format!(
            "`{key}`: {machines} machines are to be made, and {theirs} has {free} free addresses"
        )));
    }
    let range = view.settings.range().map_err(CloudError::Refused)?;
    let mut outside = view.wanted.outside.iter();
    match outside.find(|(_, address)| range.contains(*address)) {
        Some((node, address)) => Err(CloudError::Refused(format!(
            "`cidr`: {node} has the address {address} outside AWS, and machines in {range} would look for it among themselves: choose another `cidr`"
        ))),
        None => Ok(()),
    }
}

/// Where a machine of a type may be made: in a subnet that is there, or in another zone's, which is made when it is needed.
pub(super) fn places(
    view: &View<'_>,
    net: &Network,
    instance_type: &str,
    public: bool,
) -> Result<Vec<Place>, CloudError> {
    // Our own subnets all lead out.
    let closed = |subnet: &Ref| {
        let theirs = view.observed.subnets.iter().filter(|_| net.table.is_none());
        theirs
            .filter(|one| !one.open)
            .any(|one| *subnet == Ref::Id(one.id.clone()))
    };
    if public && !net.subnets.is_empty() && net.subnets.iter().all(|(_, subnet)| closed(subnet)) {
        return Err(CloudError::Refused(private(view.settings)));
    }
    let offered = view
        .catalog
        .offers
        .get(instance_type)
        .cloned()
        .unwrap_or_default();
    let asked =
        |zone: &String| view.settings.zones.is_empty() || view.settings.zones.contains(zone);
    let mut places: Vec<Place> = net
        .subnets
        .iter()
        .filter(|(zone, subnet)| {
            offered.contains(zone) && asked(zone) && !(public && closed(subnet))
        })
        .map(|(zone, subnet)| Place {
            zone: zone.clone(),
            subnet: subnet.clone(),
            make: None,
        })
        .collect();
    if let Some(table) = &net.table {
        let used: Vec<&Subnet> = view.observed.owned_subnets().collect();
        // The first part goes to the subnet that the plan makes.
        let planned = usize::from(matches!(net.subnets.first(), Some((_, Ref::New(_)))));
        let mut ranges = free_ranges(view, &used)?.skip(planned);
        for zone in zones(view) {
            if places.iter().any(|place| place.zone == zone) {
                continue;
            }
            let Some(cidr) = ranges.next() else { break };
            let subnet = Ref::New(note::subnet(&zone));
            places.push(Place {
                zone,
                subnet,
                make: Some((cidr, net.vpc.clone(), table.clone())),
            });
        }
    }
    if places.is_empty() {
        let asked = if view.settings.zones.is_empty() {
            "any usable zone".into()
        } else {
            view.settings.zones.join(", ")
        };
        let words = match offered.as_slice() {
            [] => "in no zone of this region".into(),
            zones => format!("but in {}", zones.join(", ")),
        };
        return Err(CloudError::Refused(format!(
            "{instance_type} is not offered in {asked}, {words}: choose another `instance_type` or other `zones`"
        )));
    }
    Ok(places)
}

/// Why machines with public addresses cannot be made in the user's subnets.
fn private(settings: &Settings) -> String {
    let key = if settings.subnet.is_some() {
        "subnet"
    } else {
        "vpc"
    };
    let theirs = settings.subnet.as_ref().or(settings.vpc.as_ref());
    format!(
        "`{key}`: no usable subnet of {} leads to an internet gateway, so that nobody would reach a machine's public address: name a \
         `subnet` whose route table leads 0.0.0.0/0 to one, or another `vpc`",
        theirs.map_or("it", String::as_str)
    )
}
