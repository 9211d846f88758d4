//! Looking whether a deployment could be made, before anything is: credentials, services, image, flavors, networks, quotas.

use serde_json::Value;

use super::catalog::{self, Image};
use super::session::{Service, Token};
use super::{Chameleon, failure};
pub use crate::cloud::finding::Finding;
use crate::cloud::{CloudError, Wanted};

impl Chameleon {
    /// Looks at everything that can be looked at without making anything.
    pub async fn check(&self, wanted: &Wanted) -> Result<Vec<Finding>, CloudError> {
        let mut findings: Vec<Finding> = self
            .settings
            .problems(&wanted.machines.keys().cloned().collect())
            .iter()
            .map(|problem| Finding::bad("inventory", problem))
            .collect();
        let login = self.session.login();
        let credentials = format!("credentials: {}, {}", login.origin, login.auth_url);
        let token = match self.session.token().await {
            Ok(token) => token,
            Err(error) => {
                findings.push(Finding::bad(credentials, &error));
                return Ok(findings);
            }
        };
        findings.push(Finding::good(format!(
            "{credentials}: {} in the project {}",
            token.user, token.project_name
        )));
        let services = self.services(&token).await;
        let usable = services.iter().all(|finding| finding.problem.is_none());
        findings.extend(services);
        if !usable {
            return Ok(findings);
        }
        findings.push(self.leases(&token).await);
        let image = catalog::image(&self.session, &self.settings.image).await;
        findings.push(finding(
            format!("image {}", self.settings.image),
            image.as_ref(),
        ));
        let image = image.unwrap_or_default();
        findings.extend(self.flavors(wanted, &image).await);
        if let Some(range) = self.settings.own_network() {
            let what = format!("network {range}, to be made with a router");
            findings.push(Finding::good(what));
        } else {
            let network = catalog::network(&self.session, &self.settings.network).await;
            let what = format!("network {}", self.settings.network);
            findings.push(finding(what, network.as_ref()));
        }
        let external = catalog::external(&self.session).await;
        findings.push(finding("external network".into(), external.as_ref()));
        findings.extend(self.quotas(wanted, &token).await);
        Ok(findings)
    }

    async fn services(&self, token: &Token) -> Vec<Finding> {
        let mut wanted = vec![Service::Compute, Service::Network, Service::Image];
        if self.settings.lease.0.is_some() {
            wanted.push(Service::Reservation);
        }
        let region = token.region(self.session.login().region.as_deref());
        let mut findings = vec![finding(
            format!("region {}", region.as_ref().map_or("", |region| *region)),
            region.as_ref(),
        )];
        for service in wanted {
            let address = self.session.address(service).await;
            let what = format!("service {}", service.name());
            findings.push(finding(what, address.as_ref()));
        }
        findings
    }

    /// Whether the credential may make leases: Blazar makes a trust with it, which a restricted one may not.
    async fn leases(&self, token: &Token) -> Finding {
        let what = "may make leases";
        if self.settings.lease.0.is_none() {
            return Finding::good("`lease: none`: machines without a lease");
        }
        if token.restricted == Some(true) {
            return Finding::bad(
                what,
                &"the application credential is restricted: make a new one with `Unrestricted` checked",
            );
        }
        let leases = self.session.get(Service::Reservation, "/leases").await;
        finding(what.into(), leases.as_ref())
    }

    async fn flavors(&self, wanted: &Wanted, image: &Image) -> Vec<Finding> {
        let offers = match catalog::flavors(&self.session).await {
            Ok(offers) => offers,
            Err(error) => return vec![Finding::bad("flavors", &error)],
        };
        let machines = wanted.machines.iter().map(|(node, machine)| {
            match catalog::flavor(&offers, &self.settings, machine.memory_mib, image) {
                Ok(offer) => Finding::good(format!(
                    "{node}: flavor {}, {} MiB",
                    offer.name, offer.size.memory_mib
                )),
                Err(error) => Finding::bad(format!("{node}: flavor"), &error),
            }
        });
        machines.collect()
    }

    /// Whether the project may have as much more as is wanted.
    async fn quotas(&self, wanted: &Wanted, token: &Token) -> Vec<Finding> {
        let limits = self.session.get(Service::Compute, "/limits").await;
        let machines = i64::try_from(wanted.machines.len()).unwrap_or(i64::MAX);
        let memory: u64 = wanted
            .machines
            .values()
            .map(|machine| machine.memory_mib)
            .sum();
        let mut findings = Vec::new();
        match limits {
            Ok(answer) => {
                let limits = &answer["limits"]["absolute"];
                findings.push(room(
                    "machines",
                    &limits["maxTotalInstances"],
                    &limits["totalInstancesUsed"],
                    machines,
                ));
                findings.push(room(
                    "MiB of memory",
                    &limits["maxTotalRAMSize"],
                    &limits["totalRAMUsed"],
                    i64::try_from(memory).unwrap_or(i64::MAX),
                ));
            }
            Err(error) => findings.push(Finding::bad("quota of machines", &error)),
        }
        let path = format!("/quotas/{}/details", token.project);
        match self.session.get(Service::Network, &path).await {
            Ok(answer) => {
                let addresses = self.settings.public(wanted).len();
                let own = i64::from(self.settings.own_network().is_some());
                for (key, words, needed) in [
                    (
                        "floatingip",
                        "floating IPs",
                        i64::try_from(addresses).unwrap_or(i64::MAX),
                    ),
                    ("security_group", "security groups", 1),
                    ("network", "networks", own),
                    ("router", "routers", own),
                ] {
                    let quota = &answer["quota"][key];
                    if needed > 0 {
                        findings.push(room(words, &quota["limit"], &quota["used"], needed));
                    }
                }
            }
            // Not every site tells.
            Err(error) if matches!(failure::code(&error), "403" | "404") => {}
            Err(error) => findings.push(Finding::bad("quota of the network", &error)),
        }
        findings
    }
}

fn finding<T>(what: String, result: Result<&T, &CloudError>) -> Finding {
    match result {
        Ok(_) => Finding::good(what),
        Err(error) => Finding::bad(what, error),
    }
}

/// Whether a quota has room; less than nothing means no limit.
fn room(what: &str, limit: &Value, used: &Value, needed: i64) -> Finding {
    let (limit, used) = (limit.as_i64().unwrap_or(-1), used.as_i64().unwrap_or(0));
    let words = format!("quota of {what}");
    if limit < 0 {
        return Finding::good(format!("{words}: no limit"));
    }
    let left = limit - used;
    let words = format!("{words}: {left} of {limit} left");
    if left >= needed {
        Finding::good(words)
    } else {
        Finding::bad(
            words,
            &format!("{needed} are needed: delete what is not needed, or ask the site for more"),
        )
    }
}
