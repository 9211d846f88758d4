//! What users do besides `up` and `teardown`: find out why SSH does not get through, and renew machines.

use jiff::Timestamp;

use super::operation::Operation;
use super::rules;
use super::tags::Scope;
use super::view::{stage, step};
use super::{Aws, observe};
use crate::cloud::reconcile::Listed;
use crate::cloud::{CloudError, CloudStep, caller};

impl Aws {
    /// Why SSH to machines of a deployment may get no answer, as far as its rules tell.
    pub async fn why_no_ssh(&self, id: &str) -> Result<Option<String>, CloudError> {
        let groups = observe::groups(&self.ec2, Scope::Deployment(id)).await?;
        let address = caller::own_address(&self.settings.address_url).await?;
        if groups.is_empty() {
            return Ok(None);
        }
        let mut groups = groups.iter();
        let why = if groups.any(|group| rules::lets_in(&group.rules, address)) {
            format!(
                "the security group lets this box in as {address}: look whether this network lets port 22 out, and whether the account \
                 blocks public access to its VPCs (VPC console, Settings, Block public access)"
            )
        } else {
            format!(
                "this box is now seen as {address}, and the security group does not let that in: `deployer allow` adds it"
            )
        };
        Ok(Some(why))
    }

    /// The step that notes on all machines of a deployment until when they live. The file on each machine is the caller's to
    /// write, and goes first: it counts.
    pub async fn extend(
        &self,
        id: &str,
        expires: Option<Timestamp>,
    ) -> Result<CloudStep, CloudError> {
        let seen = observe::instances(&self.ec2, Scope::Deployment(id)).await?;
        let instances = seen
            .into_iter()
            .filter(Listed::lives)
            .map(|instance| instance.id)
            .collect();
        let words = match expires {
            Some(time) => format!("let the machines live until {time}"),
            None => "let the machines live for ever".into(),
        };
        Ok(step(
            stage::TTL,
            words,
            "CreateTags",
            Operation::Renew { instances, expires },
        ))
    }
}
