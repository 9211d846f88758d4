//! The plan's network part: our own VPC with what belongs to it, or a security group in one of the user's.

use std::collections::BTreeSet;

use super::observed::{Gateway, Subnet};
use super::operation::{Kind, Operation, Place, Ref, note};
use super::plan::{View, ssh_from, stage, step};
use super::rules;
use crate::cloud::{CloudError, CloudStep};

/// What machines are put into.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The VPC.
    pub vpc: Ref,
    /// The route table of our own subnets; `None` in a VPC of the user's.
    pub table: Option<Ref>,
    /// The security group.
    pub group: Ref,
    /// Subnets that are there or are made by the plan: zone and subnet, the best zone first.
    pub subnets: Vec<(String, Ref)>,
}

/// Plans the network.
pub fn plan(view: &View<'_>) -> Result<(Vec<CloudStep>, Network), CloudError> {
    let mut steps = Vec::new();
    let mut net = if users(view) {
        theirs(view)?
    } else {
        ours(view, &mut steps)?
    };
    group(view, &mut net, &mut steps)?;
    if launches(view) && view.observed.keys.is_empty() {
        let words = format!("bring the public key as {}", name(view));
        steps.push(step(
            stage::NETWORK,
            words,
            "ImportKeyPair",
            Operation::ImportKey,
        ));
    }
    // Stages in order, each in the order given.
    steps.sort_by_key(|step| {
        [stage::VPC, stage::NETWORK, stage::ROUTES]
            .iter()
            .position(|name| *name == step.stage)
    });
    Ok((steps, net))
}

fn users(view: &View<'_>) -> bool {
    view.settings.vpc.is_some() || view.settings.subnet.is_some()
}

/// The name of our security group and key pair.
fn name(view: &View<'_>) -> String {
    resource_name(&view.wanted.id)
}

/// The name of a deployment's security group and key pair.
pub fn resource_name(id: &str) -> String {
    format!("deployer-{id}")
}

fn launches(view: &View<'_>) -> bool {
    !view.catalog.image.is_empty()
}

/// The noted one of several, else the first.
fn pick<'a>(
    view: &View<'a>,
    key: &str,
    ids: impl Iterator<Item = &'a str> + Clone,
) -> Option<&'a str> {
    let noted = view.wanted.notes.get(key);
    ids.clone()
        .find(|id| noted.is_some_and(|noted| noted == id))
        .or_else(|| ids.min())
}

/// A VPC of the user's.
fn theirs(view: &View<'_>) -> Result<Network, CloudError> {
    let subnets: Vec<&Subnet> = view.observed.subnets.iter().collect();
    let first = subnets.first().ok_or_else(|| {
        let (key, id) = match (&view.settings.subnet, &view.settings.vpc) {
            (Some(id), _) => ("subnet", id.as_str()),
            (None, id) => ("vpc", id.as_deref().unwrap_or_default()),
        };
        CloudError::Refused(format!(
            "`{key}`: there is no subnet for {id} in this account and region"
        ))
    })?;
    let in_zones = |subnet: &&Subnet| {
        view.settings.zones.is_empty() || view.settings.zones.contains(&subnet.zone)
    };
    let mut fitting: Vec<&Subnet> = subnets.iter().copied().filter(in_zones).collect();
    fitting.sort_by_key(|subnet| {
        (
            view.settings
                .zones
                .iter()
                .position(|zone| *zone == subnet.zone),
            subnet.zone.clone(),
        )
    });
    Ok(Network {
        vpc: Ref::Id(first.vpc.clone()),
        table: None,
        group: Ref::New(note::GROUP.into()),
        subnets: fitting
            .iter()
            .map(|subnet| (subnet.zone.clone(), Ref::Id(subnet.id.clone())))
            .collect(),
    })
}

/// A VPC of our own.
fn ours(view: &View<'_>, steps: &mut Vec<CloudStep>) -> Result<Network, CloudError> {
    let seen = view.observed;
    let vpc_id = pick(view, note::VPC, seen.vpcs.iter().map(|vpc| vpc.id.as_str()));
    let vpc = Ref::to(vpc_id, note::VPC);
    if vpc_id.is_none() {
        let cidr = view
            .settings
            .range()
            .map_err(CloudError::Refused)?
            .to_string();
        steps.push(step(
            stage::VPC,
            format!("make a VPC of {cidr}"),
            "CreateVpc",
            Operation::CreateVpc { cidr },
        ));
    }
    // Things in another VPC of ours (a reply was lost and a second one made) do not count.
    let here = |other: &str| vpc_id == Some(other);
    let mut subnets: Vec<(String, Ref)> = Vec::new();
    let used: Vec<&Subnet> = seen
        .owned_subnets()
        .filter(|subnet| here(&subnet.vpc))
        .collect();
    for subnet in &used {
        if !subnets.iter().any(|(zone, _)| *zone == subnet.zone) {
            subnets.push((subnet.zone.clone(), Ref::Id(subnet.id.clone())));
        }
    }
    if subnets.is_empty() {
        let zone = zones(view).first().cloned().unwrap_or_default();
        let cidr = free_ranges(view, &used)?.next().unwrap_or_default();
        let key = note::subnet(&zone);
        let words = format!("make a subnet of {cidr} in {zone}");
        let operation = Operation::CreateSubnet {
            vpc: vpc.clone(),
            zone: zone.clone(),
            cidr,
        };
        steps.push(step(stage::NETWORK, words, "CreateSubnet", operation));
        subnets.push((zone, Ref::New(key)));
    }
    let gateway = gateway(view, &vpc, vpc_id, steps);
    let tables = seen.route_tables.iter().filter(|table| here(&table.vpc));
    let table_id = pick(
        view,
        note::ROUTE_TABLE,
        tables.clone().map(|table| table.id.as_str()),
    );
    let table = tables
        .clone()
        .find(|table| Some(table.id.as_str()) == table_id);
    let table_ref = Ref::to(table_id, note::ROUTE_TABLE);
    if table_id.is_none() {
        let operation = Operation::CreateRouteTable { vpc: vpc.clone() };
        steps.push(step(
            stage::NETWORK,
            "make a route table".into(),
            "CreateRouteTable",
            operation,
        ));
    }
    let default = table.and_then(|table| table.default.as_ref());
    let right =
        default.is_some_and(|(target, active)| *active && gateway == Ref::Id(target.clone()));
    if !right {
        let replace = default.is_some();
        let words = format!("lead 0.0.0.0/0 to {gateway}");
        let calls = if replace {
            "ReplaceRoute"
        } else {
            "CreateRoute"
        };
        let operation = Operation::CreateRoute {
            table: table_ref.clone(),
            gateway,
            replace,
        };
        steps.push(step(stage::ROUTES, words, calls, operation));
    }
    for (zone, subnet) in &subnets {
        let associated = table.is_some_and(|table| {
            table
                .subnets
                .iter()
                .any(|id| *subnet == Ref::Id(id.clone()))
        });
        if !associated {
            let words = format!("use {table_ref} in the subnet of {zone}");
            let operation = Operation::AssociateRouteTable {
                table: table_ref.clone(),
                subnet: subnet.clone(),
            };
            steps.push(step(stage::ROUTES, words, "AssociateRouteTable", operation));
        }
    }
    Ok(Network {
        vpc,
        table: Some(table_ref),
        group: Ref::New(note::GROUP.into()),
        subnets,
    })
}

fn gateway(view: &View<'_>, vpc: &Ref, vpc_id: Option<&str>, steps: &mut Vec<CloudStep>) -> Ref {
    // One that is attached to our VPC, else one that is attached nowhere yet.
    let attached = |gateway: &&Gateway| gateway.vpc.is_some() && gateway.vpc.as_deref() == vpc_id;
    let found = view.observed.gateways.iter().find(attached);
    let loose = || {
        view.observed
            .gateways
            .iter()
            .find(|gateway| gateway.vpc.is_none())
    };
    match found.or_else(loose) {
        Some(gateway) if gateway.vpc.is_some() => Ref::Id(gateway.id.clone()),
        Some(gateway) => {
            let words = format!("attach {} to {vpc}", gateway.id);
            let operation = Operation::AttachGateway {
                gateway: gateway.id.clone(),
                vpc: vpc.clone(),
            };
            steps.push(step(
                stage::NETWORK,
                words,
                "AttachInternetGateway",
                operation,
            ));
            Ref::Id(gateway.id.clone())
        }
        None => {
            let operation = Operation::CreateGateway { vpc: vpc.clone() };
            let calls = "CreateInternetGateway, AttachInternetGateway";
            steps.push(step(
                stage::NETWORK,
                "make an internet gateway".into(),
                calls,
                operation,
            ));
            Ref::New(note::GATEWAY.into())
        }
    }
}

/// The security group, and its rules where they differ.
fn group(view: &View<'_>, net: &mut Network, steps: &mut Vec<CloudStep>) -> Result<(), CloudError> {
    let here = view
        .observed
        .groups
        .iter()
        .filter(|group| Ref::Id(group.vpc.clone()) == net.vpc);
    let id = pick(
        view,
        note::GROUP,
        here.clone().map(|group| group.id.as_str()),
    );
    let seen = here
        .clone()
        .find(|group| Some(group.id.as_str()) == id)
        .map(|group| group.rules.clone())
        .unwrap_or_default();
    net.group = Ref::to(id, note::GROUP);
    if id.is_none() {
        let operation = Operation::CreateGroup {
            vpc: net.vpc.clone(),
        };
        steps.push(step(
            stage::NETWORK,
            format!("make the security group {}", name(view)),
            "CreateSecurityGroup",
            operation,
        ));
    }
    let wanted = rules::wanted(view.wanted, &ssh_from(view.wanted, view.settings)?);
    let missing: BTreeSet<rules::Rule> = wanted.difference(&seen).cloned().collect();
    if !missing.is_empty() {
        let words = format!("let in {}", listed(&missing));
        let operation = Operation::Allow {
            group: net.group.clone(),
            rules: missing,
            ssh_from: view.wanted.notes.get(note::SSH_FROM).cloned(),
        };
        steps.push(step(
            stage::ROUTES,
            words,
            "AuthorizeSecurityGroupIngress",
            operation,
        ));
    }
    let foreign: BTreeSet<rules::Rule> = seen.difference(&wanted).cloned().collect();
    if let (Some(group), false) = (id, foreign.is_empty()) {
        let words = format!(
            "let in no more {}, which the inventory does not have",
            listed(&foreign)
        );
        let operation = Operation::Revoke {
            group: group.into(),
            rules: foreign,
        };
        steps.push(step(
            stage::ROUTES,
            words,
            "RevokeSecurityGroupIngress",
            operation,
        ));
    }
    Ok(())
}

fn listed(rules: &BTreeSet<rules::Rule>) -> String {
    rules
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Zones that offer all types wanted: the user's in their order, else all.
fn zones(view: &View<'_>) -> Vec<String> {
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
fn free_ranges<'a>(
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

/// Where a machine of a type may be made: in a subnet that is there, or in another zone's, which is made when it is needed.
pub fn places(
    view: &View<'_>,
    net: &Network,
    instance_type: &str,
) -> Result<Vec<Place>, CloudError> {
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
        .filter(|(zone, _)| offered.contains(zone) && asked(zone))
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

/// The words of a kind of thing, for reports.
pub fn words(kind: Kind, id: &str) -> String {
    format!("{} {id}", kind.words().0)
}
