//! Doing: one operation at a time, each safe to repeat.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::failure::{code, not_found, unanswered};
use super::notes::note;
use super::observed::Server;
use super::operation::Operation;
use super::session::{Service, Session};
use super::settings::Settings;
use super::{Chameleon, address, lease, make_network, marks, observe, plan, remove, servers};
use crate::cloud::rules::{Rule, Source};
use crate::cloud::wait::{self, Kinds, Pace};
use crate::cloud::{Applied, CloudError, Notes, Progress, Wanted};
use crate::machine::Machine;

/// All that an operation needs.
pub(super) struct Hands<'a> {
    pub(super) cloud: &'a Chameleon,
    pub(super) wanted: &'a Wanted,
    pub(super) notes: &'a dyn Notes,
    pub(super) progress: &'a dyn Progress,
}

/// Which failures are which.
pub(super) const KINDS: Kinds = Kinds {
    // OpenStack knows of what it has answered for.
    not_found: |_| false,
    unanswered,
};

impl Hands<'_> {
    pub(super) fn session(&self) -> &Session {
        &self.cloud.session
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.cloud.settings
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.cloud.pace
    }

    /// Whether marks are of this deployment.
    pub(super) fn ours(&self, marks: &marks::Marks) -> bool {
        marks.get(marks::ID) == Some(&self.wanted.id)
    }

    /// What an earlier step noted.
    pub(super) fn made(&self, key: &str) -> Result<String, CloudError> {
        self.notes
            .get(key)
            .ok_or_else(|| CloudError::Refused(format!("the {key} has not been made")))
    }

    /// The machine that a server is, with the floating IP that leads there.
    pub(super) async fn machine(&self, node: &str, server: &Server) -> Result<Machine, CloudError> {
        let floating = if self.settings().public(self.wanted).contains(node) {
            address::of(self).await?
        } else {
            Vec::new()
        };
        plan::machine(self.wanted, self.settings(), node, server, &floating)
            .ok_or_else(|| CloudError::Refused(format!("{node}: {} has no address", server.id)))
    }
}

/// Does one operation.
pub(super) async fn apply(hands: &Hands<'_>, operation: &Operation) -> Result<Applied, CloudError> {
    let mut machine = None;
    match operation {
        Operation::Lease { name, end, flavors } => {
            lease::machines(hands, name, *end, flavors).await?;
        }
        Operation::AwaitLease { id, nodes, .. } => {
            lease::active(hands, id).await?;
            address::hand_out(hands, id, nodes).await?;
        }
        Operation::Address {
            network,
            lease,
            nodes,
        } => {
            address::get(hands, network, lease.as_ref(), nodes).await?;
        }
        Operation::Network { cidr, name_servers } => {
            make_network::network(hands, *cidr, name_servers).await?;
        }
        Operation::Router { external } => make_network::router(hands, external).await?,
        Operation::Group => group(hands).await?,
        Operation::Allow {
            group,
            rules,
            ssh_from,
        } => {
            if let Some(ssh_from) = ssh_from {
                hands
                    .notes
                    .record(crate::cloud::caller::SSH_FROM, ssh_from)?;
            }
            let group = match group {
                Some(group) => group.clone(),
                None => hands.made(note::GROUP)?,
            };
            allow(hands, &group, rules).await?;
        }
        Operation::Revoke { rules } => revoke(hands, rules).await?,
        Operation::Launch(launch) => machine = Some(servers::launch(hands, launch).await?),
        Operation::Start {
            node,
            server,
            address,
        } => {
            machine = Some(servers::start(hands, node, server, address.as_ref()).await?);
        }
        Operation::Await {
            node,
            server,
            address,
        } => {
            machine = Some(servers::running(hands, node, server, address.as_ref()).await?);
        }
        Operation::Attach {
            node,
            server,
            address,
        } => {
            let seen = observe::server_by_id(hands.session(), server).await?;
            let seen = seen.ok_or_else(|| CloudError::Refused(format!("{server} is gone")))?;
            address::attach(hands, node, &seen, address).await?;
            machine = Some(hands.machine(node, &seen).await?);
        }
        Operation::Extend {
            purpose,
            leases,
            end,
        } => lease::extend(hands, *purpose, leases, *end).await?,
        Operation::Terminate { servers } => remove::terminate(hands, servers).await?,
        Operation::Delete { kind, id } => remove::delete(hands, *kind, id).await?,
    }
    Ok(Applied {
        machine,
        ..Applied::default()
    })
}

async fn group(hands: &Hands<'_>) -> Result<(), CloudError> {
    let body = json!({"security_group": {
        "name": marks::resource_name(&hands.wanted.id),
        "description": marks::description(&marks::of(hands.wanted, None)),
    }});
    let make = || async {
        let answer = hands
            .session()
            .post(Service::Network, "/security-groups", &body)
            .await?;
        id(&answer["security_group"], "security group")
    };
    let find = || async {
        let seen = observe::groups(hands.session()).await?;
        let mut ours = seen.into_iter().filter(|group| hands.ours(&group.marks));
        Ok(ours.next().map(|group| group.id))
    };
    let id = wait::make_once(hands.pace(), KINDS, make, find).await?;
    hands.notes.record(note::GROUP, &id)
}

/// The id in an answer.
pub(super) fn id(thing: &Value, what: &str) -> Result<String, CloudError> {
    let id = thing["id"].as_str().map(Into::into);
    id.ok_or_else(|| CloudError::Api {
        call: format!("make a {what}"),
        code: "no id".into(),
        message: "the site answered without an id".into(),
    })
}

async fn allow(hands: &Hands<'_>, group: &str, rules: &BTreeSet<Rule>) -> Result<(), CloudError> {
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
            hands.session().post(Service::Network, path, &body).await
        };
        match wait::while_failing(hands.pace(), hands.pace().settle, unanswered, call).await {
            Err(error) if code(&error) == "409" => {}
            result => {
                result?;
            }
        }
    }
    Ok(())
}

async fn revoke(hands: &Hands<'_>, rules: &BTreeMap<String, String>) -> Result<(), CloudError> {
    for id in rules.values() {
        let path = format!("/security-group-rules/{id}");
        match hands.session().delete(Service::Network, &path).await {
            Err(error) if not_found(&error) => {}
            result => result?,
        }
    }
    Ok(())
}
