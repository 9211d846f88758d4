//! Looking: what is in the project. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use futures_util::future::{try_join, try_join3};
use jiff::Timestamp;
use serde_json::Value;

use super::failure::not_found;
use super::marks;
use super::observed::{
    Address, Group, Lease, Network, Observed, Reservation, Router, Server, Size,
};
use super::session::{Service, Session};
use crate::cloud::CloudError;
use crate::cloud::rules::{Rule, Source};

/// Looks at all that any deployment has, but for networks of its own: at the same time, as far as they do not need each other.
pub async fn everything(session: &Session) -> Result<Observed, CloudError> {
    let ((leases, addresses), servers, groups) =
        try_join3(leased(session), servers(session), groups(session)).await?;
    Ok(Observed {
        leases,
        servers,
        groups,
        addresses,
        ..Observed::default()
    })
}

fn list<'a>(answer: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    answer[key].as_array().into_iter().flatten()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(Into::into)
}

/// Leases of ours; none where the site has none.
pub async fn leases(session: &Session) -> Result<Vec<Lease>, CloudError> {
    if !session.has(Service::Reservation).await? {
        return Ok(Vec::new());
    }
    let answer = session.get(Service::Reservation, "/leases").await?;
    Ok(list(&answer, "leases").filter_map(lease).collect())
}

/// One lease.
pub async fn lease_by_id(session: &Session, id: &str) -> Result<Option<Lease>, CloudError> {
    let answer = session
        .get(Service::Reservation, &format!("/leases/{id}"))
        .await?;
    Ok(lease(&answer["lease"]))
}

/// One lease of ours; `None`: it is gone.
pub async fn lease_if_there(session: &Session, id: &str) -> Result<Option<Lease>, CloudError> {
    match lease_by_id(session, id).await {
        Err(error) if not_found(&error) => Ok(None),
        Ok(None) => Err(CloudError::Refused(format!("the lease {id} is not ours"))),
        result => result,
    }
}

/// A lease in an answer, if it is of ours.
pub(super) fn lease(seen: &Value) -> Option<Lease> {
    let name = text(&seen["name"])?;
    let (marks, purpose) = marks::read_lease_name(&name)?;
    let reservations = list(seen, "reservations").filter_map(|one| {
        let number = |key: &str| one[key].as_u64().unwrap_or_default();
        Some(Reservation {
            id: text(&one["id"])?,
            amount: number("amount"),
            size: Size {
                processors: number("vcpus"),
                memory_mib: number("memory_mb"),
                disk_gib: number("disk_gb"),
            },
        })
    });
    Some(Lease {
        id: text(&seen["id"])?,
        marks,
        purpose,
        status: text(&seen["status"])?,
        end: time(seen["end_date"].as_str()?)?,
        reservations: reservations.collect(),
        name,
    })
}

/// Blazar's times are in UTC and do not say so.
fn time(text: &str) -> Option<Timestamp> {
    let time: jiff::civil::DateTime = text.trim_end_matches('Z').parse().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

/// Servers of ours.
pub async fn servers(session: &Session) -> Result<Vec<Server>, CloudError> {
    let mut found = all_servers(session).await?;
    found.retain(|server| server.marks.contains_key(marks::ID));
    Ok(found)
}

/// All servers of the project, whoever made them.
pub async fn all_servers(session: &Session) -> Result<Vec<Server>, CloudError> {
    let seen = session.all(Service::Compute, "/servers/detail", "servers");
    Ok(seen.await?.iter().filter_map(server).collect())
}

/// One server.
pub async fn server_by_id(session: &Session, id: &str) -> Result<Option<Server>, CloudError> {
    let answer = session
        .get(Service::Compute, &format!("/servers/{id}"))
        .await?;
    Ok(server(&answer["server"]))
}

fn server(seen: &Value) -> Option<Server> {
    let marks = seen["metadata"].as_object()?;
    let fixed = seen["addresses"].as_object()?;
    let fixed = fixed.iter().filter_map(|(network, all)| {
        let own = all.as_array()?.iter().find(|one| {
            one["version"] == 4 && one["OS-EXT-IPS:type"].as_str().unwrap_or("fixed") == "fixed"
        })?;
        Some((network.clone(), own["addr"].as_str()?.parse().ok()?))
    });
    Some(Server {
        id: text(&seen["id"])?,
        marks: marks
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), text(value)?)))
            .collect(),
        status: text(&seen["status"])?,
        fault: text(&seen["fault"]["message"]),
        fixed: fixed.collect(),
        flavor: text(&seen["flavor"]["original_name"]).unwrap_or_default(),
        created: seen["created"].as_str().and_then(|time| time.parse().ok()),
        // Nothing but an explicit "never" says so: <https://docs.openstack.org/api-ref/compute/#show-server-details>.
        ran: seen.get("OS-SRV-USG:launched_at") != Some(&Value::Null),
    })
}

/// Security groups of ours.
pub async fn groups(session: &Session) -> Result<Vec<Group>, CloudError> {
    let seen = session.all(Service::Network, "/security-groups", "security_groups");
    Ok(seen
        .await?
        .iter()
        .filter_map(|seen| {
            let id = text(&seen["id"])?;
            let marks = marks::read(seen["description"].as_str()?);
            let own = marks.get(marks::ID).map(|id| marks::resource_name(id))?;
            (seen["name"] == own).then(|| Group {
                rules: list(seen, "security_group_rules")
                    .filter_map(|one| rule(one, &id))
                    .collect(),
                id,
                marks,
            })
        })
        .collect())
}

/// A rule that lets something in, with its id.
fn rule(seen: &Value, own: &str) -> Option<(Rule, String)> {
    if seen["direction"] != "ingress" {
        return None;
    }
    let port = |key: &str| seen[key].as_i64().and_then(|port| i32::try_from(port).ok());
    let six = seen["ethertype"] == "IPv6";
    let source = match (
        seen["remote_group_id"].as_str(),
        seen["remote_ip_prefix"].as_str(),
    ) {
        (Some(group), _) => Source::Group((group != own).then(|| group.to_owned())),
        (None, Some(range)) if six => Source::Range6(range.into()),
        (None, Some(range)) => Source::Range(range.into()),
        (None, None) if six => Source::Range6("::/0".into()),
        (None, None) => Source::Range("0.0.0.0/0".into()),
    };
    let rule = Rule {
        protocol: text(&seen["protocol"]).unwrap_or_else(|| "-1".into()),
        ports: port("port_range_min").zip(port("port_range_max")),
        source,
    };
    Some((rule, text(&seen["id"])?))
}

/// A floating IP, if it is of ours.
fn address(seen: &Value, leases: &[Lease]) -> Option<Address> {
    let tags: BTreeSet<&str> = list(seen, "tags").filter_map(Value::as_str).collect();
    let given = leases.iter().find(|lease| {
        let mut reservations = lease.reservations.iter();
        reservations.any(|one| tags.contains(format!("reservation:{}", one.id).as_str()))
    });
    let marks = match given {
        Some(lease) => lease.marks.clone(),
        None => marks::read(seen["description"].as_str().unwrap_or_default()),
    };
    marks.contains_key(marks::ID).then_some(())?;
    Some(Address {
        id: text(&seen["id"])?,
        address: seen["floating_ip_address"].as_str()?.parse().ok()?,
        marks,
        lease: given.map(|lease| lease.id.clone()),
        to: seen["fixed_ip_address"]
            .as_str()
            .and_then(|address| address.parse::<Ipv4Addr>().ok()),
    })
}

/// Leases of ours, and floating IPs by leases and by themselves. One after the other: a lease that is active has its floating IPs,
/// and who had looked for those before would miss them.
async fn leased(session: &Session) -> Result<(Vec<Lease>, Vec<Address>), CloudError> {
    let leases = leases(session).await?;
    let seen = session.all(Service::Network, "/floatingips", "floatingips");
    let seen = seen.await?;
    let ours = seen.iter().filter_map(|one| address(one, &leases));
    let addresses = ours.collect();
    Ok((leases, addresses))
}

/// Floating IPs of ours.
pub async fn addresses(session: &Session) -> Result<Vec<Address>, CloudError> {
    Ok(leased(session).await?.1)
}

/// Networks and routers of ours.
pub async fn networks(session: &Session) -> Result<(Vec<Network>, Vec<Router>), CloudError> {
    let ours = |seen: &Value| {
        let marks = marks::read(seen["description"].as_str()?);
        let own = marks.get(marks::ID).map(|id| marks::resource_name(id))?;
        (seen["name"] == own).then_some(())?;
        Some((text(&seen["id"])?, marks))
    };
    let (networks, routers) = try_join(
        session.all(Service::Network, "/networks", "networks"),
        session.all(Service::Network, "/routers", "routers"),
    )
    .await?;
    let networks = networks.iter().filter_map(|seen| {
        let (id, marks) = ours(seen)?;
        let subnets = list(seen, "subnets").filter_map(text).collect();
        Some(Network { id, marks, subnets })
    });
    let routers = routers.iter().filter_map(|seen| {
        let (id, marks) = ours(seen)?;
        let subnets = BTreeSet::new();
        Some(Router { id, marks, subnets })
    });
    Ok((networks.collect(), routers.collect()))
}

/// The subnets that a router has a leg in.
pub async fn legs(session: &Session, router: &str) -> Result<BTreeSet<String>, CloudError> {
    let path = format!("/ports?device_id={router}");
    let ports = session.all(Service::Network, &path, "ports").await?;
    let inner = ports.iter().filter(|port| {
        let owner = port["device_owner"].as_str().unwrap_or_default();
        owner.contains("router_interface")
    });
    Ok(inner
        .flat_map(|port| list(port, "fixed_ips"))
        .filter_map(|one| text(&one["subnet_id"]))
        .collect())
}

/// The port of a server through which a floating IP leads to it: address → port.
pub async fn ports(
    session: &Session,
    server: &str,
) -> Result<BTreeMap<Ipv4Addr, String>, CloudError> {
    let path = format!("/ports?device_id={server}");
    let ports = session.all(Service::Network, &path, "ports").await?;
    Ok(ports
        .iter()
        .flat_map(|port| {
            list(port, "fixed_ips").filter_map(|one| {
                let address = one["ip_address"].as_str()?.parse().ok()?;
                Some((address, text(&port["id"])?))
            })
        })
        .collect())
}
