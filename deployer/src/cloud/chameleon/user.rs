//! Why SSH does not get through.

use super::Chameleon;
use crate::cloud::{CloudError, caller, rules};

impl Chameleon {
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
}
