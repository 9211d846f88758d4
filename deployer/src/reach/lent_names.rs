//! Names in `/etc/hosts` of this box for as long as a command runs: a block of their own, so that the next run of the same kind
//! also takes out what one left that was killed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::root;
use crate::error::CommandError;
use crate::host::here::HereHost;
use crate::report::{Event, Reporter};
use crate::run::apply::edit_hosts;

/// What this box is called in messages.
const HERE: &str = "this box";

/// Names that are there, and must be taken out.
pub struct LentNames {
    block: String,
    host: HereHost,
}

impl LentNames {
    /// Puts the names in, or the reason why not.
    pub async fn put(
        block: String,
        names: &BTreeMap<String, Option<IpAddr>>,
        reporter: &dyn Reporter,
    ) -> Result<Self, CommandError> {
        let purpose = "put the nodes' names into /etc/hosts until this ends";
        root::ensure(purpose, reporter).await?;
        let lent = Self {
            block,
            host: HereHost::new(HERE),
        };
        edit_hosts(&lent.host, &lent.block, Some(names)).await?;
        reporter.event(&Event::Note(format!(
            "/etc/hosts of this box has {} until this ends",
            names.keys().cloned().collect::<Vec<_>>().join(", ")
        )));
        Ok(lent)
    }

    /// Takes them out.
    pub async fn take_out(self) -> Result<(), CommandError> {
        let taken = edit_hosts(&self.host, &self.block, None).await;
        taken.map_err(|error| {
            CommandError::from(error).hint(format!(
                "take the lines between `# deployer {0} begin` and `# deployer {0} end` out of /etc/hosts",
                self.block
            ))
        })
    }
}
