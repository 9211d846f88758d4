//! What is wrong with the settings, found before a call is made. Pure.

use std::collections::BTreeSet;

use super::settings::Settings;
use super::tags;
use crate::cloud::caller;

impl Settings {
    /// All that is wrong with these settings for these nodes, in words.
    pub fn problems(&self, nodes: &BTreeSet<String>) -> Vec<String> {
        let mut problems = Vec::new();
        match self.subnet_range(self.zones.len().saturating_sub(1)) {
            Err(problem) => problems.push(problem),
            Ok(part) => {
                // AWS keeps the first four addresses of a subnet and the last one.
                let room = (1_usize << (32 - part.prefix_len())) - 5;
                if self.vpc.is_none() && self.subnet.is_none() && nodes.len() > room {
                    problems.push(format!(
                        "`cidr`: {} nodes do not fit into {part}, which has room for {room}",
                        nodes.len()
                    ));
                }
            }
        }
        if let Some(region) = self
            .region
            .as_ref()
            .filter(|region| !looks_like_region(region))
        {
            problems.push(format!(
                "`region`: `{region}` is not a region such as `eu-central-1`"
            ));
        }
        if let Some(region) = &self.region {
            for zone in self
                .zones
                .iter()
                .filter(|zone| !zone.starts_with(region.as_str()))
            {
                problems.push(format!("`zones`: `{zone}` is not in the region `{region}`"));
            }
        }
        problems.extend(caller::problems(&self.ssh_from, &self.ssh_keys));
        problems.extend(tags::problems(&self.tags));
        match (&self.bastion, self.public_ip) {
            (None, false) => problems.push(
                "`public_ip: false` needs a `bastion`: the node that SSH goes through".into(),
            ),
            (Some(node), _) if !nodes.contains(node) && !nodes.is_empty() => {
                problems.push(format!("`bastion`: there is no node `{node}` on AWS"));
            }
            _ => {}
        }
        if self.disk_gib < 8 {
            problems.push("`disk_gib`: images of today need at least 8".into());
        }
        problems
    }
}

fn looks_like_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let letters =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    parts.len() >= 3
        && parts[..parts.len() - 1].iter().all(letters)
        && parts[parts.len() - 1]
            .bytes()
            .all(|byte| byte.is_ascii_digit())
        && !parts[parts.len() - 1].is_empty()
}
