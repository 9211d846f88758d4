//! What users do besides `up` and `teardown`: let the address they are seen by in, find out why SSH does not get through, and
//! prolong the lease.

use std::net::Ipv4Addr;

use jiff::Timestamp;

use super::{Chameleon, prolong};
use crate::cloud::{CloudError, CloudStep, Notes, caller, rules};

impl Chameleon {
    /// Notes that the address this box is seen by now may use SSH; the next plan lets it in.
    pub async fn allow(&self, notes: &dyn Notes) -> Result<Ipv4Addr, CloudError> {
        let address = caller::own_address(&self.settings.address_url).await?;
        caller::allow(notes, address)?;
        Ok(address)
    }

    /// Why SSH to machines of a deployment gets no answer, if its rules are the reason.
    pub async fn why_no_ssh(&self, id: &str) -> Result<Option<String>, CloudError> {
        let groups = self.observe(id).await?.groups;
        let address = caller::own_address(&self.settings.address_url).await?;
        let lets_in = groups
            .iter()
            .any(|group| rules::lets_in(&group.rules.keys().cloned().collect(), address));
        if groups.is_empty() || lets_in {
            return Ok(None);
        }
        Ok(Some(format!(
            "this box is now seen as {address}, and the security group does not let that in: `deployer allow` adds it"
        )))
    }

    /// The steps that let all leases of a deployment end at another time.
    pub async fn extend(&self, id: &str, end: Timestamp) -> Result<Vec<CloudStep>, CloudError> {
        prolong::plan(&self.observe(id).await?, end)
    }
}
