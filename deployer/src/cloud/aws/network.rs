//! The plan's network part: our own VPC with what belongs to it, or a security group in one of the user's.

use super::group;
use super::notes::note;
use super::observed::{Gateway, Subnet};
use super::operation::{Network, Operation, Ref};
use super::places::{free_ranges, zones};
use super::tags::resource_name;
use super::view::{View, pick, stage, step};
use crate::cloud::{CloudError, CloudStep};

/// Plans the network.
pub fn plan(view: &View<'_>) -> Result<(Vec<CloudStep>, Network), CloudError> {
    let mut steps = Vec::new();
    let mut net = if users(view) {
        theirs(view)?
    } else {
        ours(view, &mut steps)?
    };
    group::plan(view, &mut net, &mut steps)?;
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

fn launches(view: &View<'_>) -> bool {
    !view.catalog.image.is_empty()
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
