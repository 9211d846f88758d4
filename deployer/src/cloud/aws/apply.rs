//! Doing: one operation at a time, each safe to repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::Client;

use super::failure::api;
use super::notes::note;
use super::observed::Instance;
use super::operation::{Operation, Place, Ref};
use super::settings::Settings;
use super::tags::{self, Scope};
use super::wait::Pace;
use super::{Aws, launch, make, make_access, remove, running, wait};
use crate::cloud::{Applied, CloudError, Notes, Progress, Wanted};

/// All that an operation needs.
pub struct Hands<'a> {
    pub(super) aws: &'a Aws,
    pub(super) wanted: &'a Wanted,
    pub(super) notes: &'a dyn Notes,
    pub(super) progress: &'a dyn Progress,
}

impl Hands<'_> {
    pub(super) fn ec2(&self) -> &Client {
        &self.aws.ec2
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.aws.settings
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.aws.pace
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::Deployment(&self.wanted.id)
    }

    pub(super) fn public(&self, node: &str) -> bool {
        self.settings().is_public(node)
    }

    /// One note, as a map.
    pub(super) fn noted(&self, key: &str) -> BTreeMap<String, String> {
        self.notes
            .get(key)
            .map(|value| (key.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// The id behind a reference.
    pub(super) fn id(&self, reference: &Ref) -> Result<String, CloudError> {
        match reference {
            Ref::Id(id) => Ok(id.clone()),
            Ref::New(key) => self
                .notes
                .get(key)
                .ok_or_else(|| CloudError::Refused(format!("the new {key} has not been made"))),
        }
    }

    /// The subnet of a zone, which is made when it is not there.
    pub(super) async fn subnet(&self, place: &Place) -> Result<String, CloudError> {
        let Some((cidr, vpc, table)) = &place.make else {
            return self.id(&place.subnet);
        };
        // Machines that leave a full zone together must not each make one.
        let _turn = self.aws.turn.lock().await;
        if let Ok(id) = self.id(&place.subnet) {
            return Ok(id);
        }
        make::subnet(self, vpc, &place.zone, cidr).await?;
        let subnet = self.id(&place.subnet)?;
        make::association(self, table, &Ref::Id(subnet.clone())).await?;
        Ok(subnet)
    }

    pub(super) async fn look(&self) -> Result<Arc<Vec<Instance>>, CloudError> {
        running::look(self, &self.aws.last_look, self.pace().poll / 2).await
    }

    pub(super) async fn forget_look(&self) {
        *self.aws.last_look.lock().await = None;
    }
}

/// Does one operation.
pub async fn apply(hands: &Hands<'_>, operation: &Operation) -> Result<Applied, CloudError> {
    if hands.notes.get(note::REGION).is_none() {
        hands.notes.record(note::REGION, &hands.aws.region)?;
    }
    let mut machine = None;
    match operation {
        Operation::CreateVpc { cidr } => make::vpc(hands, cidr).await?,
        Operation::CreateSubnet { vpc, zone, cidr } => make::subnet(hands, vpc, zone, cidr).await?,
        Operation::CreateGateway { vpc } => make::gateway(hands, vpc).await?,
        Operation::AttachGateway { gateway, vpc } => {
            make::attachment(hands, gateway, &hands.id(vpc)?).await?;
        }
        Operation::CreateRouteTable { vpc } => make::route_table(hands, vpc).await?,
        Operation::CreateRoute {
            table,
            gateway,
            replace,
        } => make::route(hands, table, gateway, *replace).await?,
        Operation::AssociateRouteTable { table, subnet } => {
            make::association(hands, table, subnet).await?;
        }
        Operation::CreateGroup { vpc } => make_access::group(hands, vpc).await?,
        Operation::Allow {
            group,
            way,
            rules,
            ssh_from,
        } => {
            if let Some(ssh_from) = ssh_from {
                hands.notes.record(note::SSH_FROM, ssh_from)?;
            }
            make_access::allow(hands, &hands.id(group)?, *way, rules).await?;
        }
        Operation::Revoke { group, way, rules } => {
            make_access::revoke(hands, group, *way, rules).await?;
        }
        Operation::ImportKey => make_access::key(hands).await?,
        Operation::Launch(launch) => machine = Some(launch::launch(hands, launch).await?),
        Operation::Start { node, instance } => {
            machine = Some(running::start(hands, node, instance).await?);
        }
        Operation::Await { node, instance } => {
            let public = hands.public(node);
            machine = Some(
                running::running(hands, node, instance, public)
                    .await
                    .map_err(|died| died.error)?,
            );
        }
        Operation::Renew { instances, expires } => renew(hands, instances, *expires).await?,
        Operation::Terminate { instances } => remove::terminate(hands, instances).await?,
        Operation::Delete { kind, id, vpc } => {
            remove::delete(hands, *kind, id, vpc.as_deref()).await?;
        }
    }
    Ok(Applied {
        machine,
        ..Applied::default()
    })
}

async fn renew(
    hands: &Hands<'_>,
    instances: &BTreeSet<String>,
    expires: Option<jiff::Timestamp>,
) -> Result<(), CloudError> {
    let (key, value) = tags::expiry(expires);
    let tags = tags::list(&BTreeMap::from([(key, value)]));
    let ids: Vec<String> = instances.iter().cloned().collect();
    let call = hands.ec2().create_tags();
    let call = call.set_resources(Some(ids)).set_tags(Some(tags));
    let call = || async {
        let answer = call.clone().send().await.map(|_| ());
        answer.map_err(|error| api("CreateTags", &error))
    };
    wait::change(hands.pace(), call).await
}
