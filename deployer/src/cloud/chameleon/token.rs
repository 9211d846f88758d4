//! What a login gives: a token, whose it is, and the catalog of the site's services.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cloud::CloudError;
use crate::secret::Secret;

/// What a login gave.
#[derive(Debug)]
pub struct Token {
    pub(super) value: Secret,
    /// The project's id.
    pub project: String,
    /// The project's name.
    pub project_name: String,
    /// The user's name.
    pub user: String,
    /// Whether it is an application credential that may not make leases; `None`: it is none, or the site does not say.
    pub restricted: Option<bool>,
    /// Service → region → address.
    pub catalog: BTreeMap<String, BTreeMap<String, String>>,
}

impl Token {
    /// All regions.
    pub fn regions(&self) -> Vec<&str> {
        let mut all: Vec<&str> = self
            .catalog
            .values()
            .flat_map(|regions| regions.keys().map(String::as_str))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The region to use: the one that was asked for, or the only one. A `clouds.yaml` with a wrong one is common.
    pub fn region(&self, wanted: Option<&str>) -> Result<&str, CloudError> {
        let all = self.regions();
        let found = wanted.and_then(|wanted| all.iter().find(|region| **region == wanted));
        match (found, all.as_slice()) {
            (Some(region), _) => Ok(region),
            (None, [only]) => Ok(only),
            (None, _) => Err(CloudError::Refused(format!(
                "the region {} is not in the site's catalog: set OS_REGION_NAME or `region_name` to one of {}",
                wanted.unwrap_or("(none named)"),
                all.join(", ")
            ))),
        }
    }
}

/// Service → region → address, as a login's answer has them.
pub(super) fn catalog(token: &Value) -> BTreeMap<String, BTreeMap<String, String>> {
    let mut catalog: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for service in token["catalog"].as_array().into_iter().flatten() {
        let Some(name) = service["type"].as_str() else {
            continue;
        };
        for endpoint in service["endpoints"].as_array().into_iter().flatten() {
            if let (Some("public"), Some(url)) =
                (endpoint["interface"].as_str(), endpoint["url"].as_str())
            {
                let region = endpoint["region_id"]
                    .as_str()
                    .or(endpoint["region"].as_str())
                    .unwrap_or_default();
                catalog
                    .entry(name.into())
                    .or_default()
                    .insert(region.into(), url.into());
            }
        }
    }
    catalog
}
