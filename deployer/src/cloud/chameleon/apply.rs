//! Doing: one operation at a time, each safe to repeat.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::context::{CloudContext, KINDS, id};
use super::failure::{code, not_found, unanswered};
use super::notes::note;
use super::operation::Operation;
use super::session::Service;
use super::{address, lease, make_network, marks, observe, remove, servers};
use crate::cloud::rules::{Rule, Source};
use crate::cloud::wait;
use crate::cloud::{Applied, CloudError};

/// Does one operation.
pub(super) async fn apply(
    context: &CloudContext<'_>,
    operation: &Operation,
) -> Result<Applied, CloudError> {
    let mut machine = None;
    match operation {
        Operation::Lease { name, end, flavors } => {
            lease::machines(context, name, *end, flavors).await?;
        }
        Operation::AwaitLease { id, nodes, .. } => {
            lease::active(context, id).await?;
            address::hand_out(context, id, nodes).await?;
        }
        Operation::Address {
            network,
            lease,
            nodes,
        } => {
            address::get(context, network, lease.as_ref(), nodes).await?;
        }
        Operation::Network { cidr, name_servers } => {
            make_network::network(context, *cidr, name_servers).await?;
        }
        Operation::Router { external } => make_network::router(context, external).await?,
        Operation::Group => group(context).await?,
        Operation::Allow {
            group,
            rules,
            ssh_from,
        } => {
            if let Some(ssh_from) = ssh_from {
                context
                    .notes
                    .record(crate::cloud::caller::SSH_FROM, ssh_from)?;
            }
            let group = match group {
                Some(group) => group.clone(),
                None => context.made(note::GROUP)?,
            };
            allow(context, &group, rules).await?;
        }
        Operation::Revoke { rules } => revoke(context, rules).await?,
        Operation::Launch(launch) => machine = Some(servers::launch(context, launch).await?),
        Operation::Start {
            node,
            server,
            address,
        } => {
            machine = Some(servers::start(context, node, server, address.as_ref()).await?);
        }
        Operation::Await {
            node,
            server,
            address,
        } => {
            machine = Some(servers::running(context, node, server, address.as_ref()).await?);
        }
        Operation::Attach {
            node,
            server,
            address,
        } => {
            let seen = observe::server_by_id(context.session(), server).await?;
            let seen = seen.ok_or_else(|| CloudError::Refused(format!("{server} is gone")))?;
            address::attach(context, node, &seen, address).await?;
            machine = Some(servers::machine(context, node, &seen).await?);
        }
        Operation::Extend {
            purpose,
            leases,
            end,
        } => lease::extend(context, *purpose, leases, *end).await?,
        Operation::Terminate { servers } => remove::terminate(context, servers).await?,
        Operation::Delete { kind, id } => remove::delete(context, *kind, id).await?,
    }
    Ok(Applied {
        machine,
        ..Applied::default()
    })
}

async fn group(context: &CloudContext<'_>) -> Result<(), CloudError> {
    let body = json!({"security_group": {
        "name": marks::resource_name(&context.wanted.id),
        "description": marks::description(&marks::of(context.wanted, None)),
    }});
    let make = || async {
        let answer = context
            .session()
            .post(Service::Network, "/security-groups", &body)
            .await?;
        id(&answer["security_group"], "security group")
    };
    let find = || async {
        let seen = observe::groups(context.session()).await?;
        let mut ours = seen.into_iter().filter(|group| context.ours(&group.marks));
        Ok(ours.next().map(|group| group.id))
    };
    let id = wait::make_once(context.pace(), KINDS, make, find).await?;
    context.notes.record(note::GROUP, &id)
}

async fn allow(
    context: &CloudContext<'_>,
    group: &str,
    rules: &BTreeSet<Rule>,
) -> Result<(), CloudError> {
    for rule in rules {
        let mut body = json!({
            "security_group_id": group,
            "direction": "ingress",
            "ethertype": "IPv4",
        });
        if rule.protocol != "-1" {
            body["protocol"] = json!(rule.protocol);
        }
        if let Some((first, last)) = rule.ports {
            (body["port_range_min"], body["port_range_max"]) = (json!(first), json!(last));
        }
        match &rule.source {
            Source::Group(other) => {
                body["remote_group_id"] = json!(other.as_deref().unwrap_or(group));
            }
            Source::Range(range) => body["remote_ip_prefix"] = json!(range),
            Source::Range6(_) | Source::List(_) => {
                return Err(CloudError::Refused(format!("no rule of ours is {rule}")));
            }
        }
        let body = json!({"security_group_rule": body});
        // The same rule twice is refused: it may be repeated.
        let call = || async {
            let path = "/security-group-rules";
            context.session().post(Service::Network, path, &body).await
        };
        match wait::while_failing(context.pace(), context.pace().settle, unanswered, call).await {
            Err(error) if code(&error) == "409" => {}
            result => {
                result?;
            }
        }
    }
    Ok(())
}

async fn revoke(
    context: &CloudContext<'_>,
    rules: &BTreeMap<String, String>,
) -> Result<(), CloudError> {
    for id in rules.values() {
        let path = format!("/security-group-rules/{id}");
        match context.session().delete(Service::Network, &path).await {
            Err(error) if not_found(&error) => {}
            result => result?,
        }
    }
    Ok(())
}
