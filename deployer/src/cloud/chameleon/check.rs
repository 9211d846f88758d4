//! Looking whether a deployment could be made, before anything is: credentials, services, image, flavors, networks, quotas.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde_json::Value;

use super::catalog::{self, Offer};
use super::images::{self, Image};
use super::observed::Size;
use super::session::Service;
use super::settings::Site;
use super::token::Token;
use super::{Chameleon, costs, failure};
pub use crate::cloud::finding::Finding;
use crate::cloud::{CloudError, Wanted};
use crate::secret::Secret;

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
        if let Err(error) = catalog::require_virtual_machines(&self.settings, &login.auth_url) {
            findings.push(Finding::bad("site", &error));
        }
        if let Err(error) = catalog::require_time(&self.settings, &login.auth_url) {
            findings.push(Finding::bad("lease", &error));
        }
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
        let image = images::image(&self.session, &self.settings.image).await;
        let mut what = format!("image {}", self.settings.image);
        if let Ok(image) = &image {
            what = format!("{what}: {}", image.words());
        }
        findings.push(finding(what, image.as_ref()));
        let image = image.unwrap_or_default();
        let (flavors, taken) = self.flavors(wanted, &image).await;
        findings.extend(flavors);
        findings.extend(self.costs(&taken));
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
        findings.extend(self.quotas(wanted, taken, &token).await);
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

    /// What the lease would cost, which is nothing to be mended.
    fn costs(&self, taken: &BTreeMap<String, Offer>) -> Option<Finding> {
        let time = SignedDuration::try_from(self.settings.lease.0?).ok()?;
        let site = Site::at(&self.session.login().auth_url);
        let flavors = taken.values().map(|offer| (offer, 1));
        Some(Finding::good(costs::words(site, flavors, time)))
    }

    /// What machines with these settings cost in an hour, in SUs and in words; `None`: there is no rate for one of them.
    pub async fn rate(&self, wanted: &Wanted) -> Result<(Option<f64>, String), CloudError> {
        let image = images::image(&self.session, &self.settings.image).await?;
        let (_, taken) = self.flavors(wanted, &image).await;
        let site = Site::at(&self.session.login().auth_url);
        let flavors = || taken.values().map(|offer| (offer, 1));
        let time = self.settings.lease.0.unwrap_or_default();
        let time = SignedDuration::try_from(time).unwrap_or_default();
        let whole = taken.len() == wanted.machines.len();
        let rate = costs::rate(site, flavors()).filter(|_| whole);
        let rate = rate.and_then(|rate| u32::try_from(rate).ok());
        let rate = rate.map(|rate| f64::from(rate) / 1000.0);
        Ok((rate, costs::words(site, flavors(), time)))
    }

    /// What must not be told to strangers: the credentials and the token, and who and whose project it is.
    pub async fn confidential(&self) -> Result<Vec<Secret>, CloudError> {
        let token = self.session.token().await?;
        let mut all = vec![token.value.clone()];
        for name in [&token.project, &token.project_name, &token.user] {
            all.push(Secret::new(name.as_str()));
        }
        let request = serde_json::from_str(self.session.login().request.expose());
        texts(&request.unwrap_or_default(), &mut all);
        Ok(all)
    }

    /// What is found of each node's flavor, and all that are taken, by node.
    async fn flavors(
        &self,
        wanted: &Wanted,
        image: &Image,
    ) -> (Vec<Finding>, BTreeMap<String, Offer>) {
        let offers = match catalog::flavors(&self.session).await {
            Ok(offers) => offers,
            Err(error) => return (vec![Finding::bad("flavors", &error)], BTreeMap::new()),
        };
        let mut taken = BTreeMap::new();
        let machines = wanted.machines.iter().map(|(node, machine)| {
            match catalog::flavor(&offers, &self.settings, machine, image) {
                Ok(offer) => {
                    let words = format!(
                        "{node}: flavor {}, {} vCPUs, {} MiB",
                        offer.name, offer.size.processors, offer.size.memory_mib
                    );
                    taken.insert(node.clone(), offer);
                    Finding::good(words)
                }
                Err(error) => Finding::bad(format!("{node}: flavor"), &error),
            }
        });
        (machines.collect(), taken)
    }

    /// Whether the project may have as much more as is wanted: machines of these flavors. What is there is in use already.
    async fn quotas(
        &self,
        wanted: &Wanted,
        mut taken: BTreeMap<String, Offer>,
        token: &Token,
    ) -> Vec<Finding> {
        taken.retain(|node, _| !wanted.made.contains(node));
        let limits = self.session.get(Service::Compute, "/limits").await;
        let sum =
            |of: fn(&Size) -> u64| number(taken.values().map(|one| of(&one.size)).sum::<u64>());
        let mut findings = Vec::new();
        match limits {
            Ok(answer) => {
                let limits = &answer["limits"]["absolute"];
                for (what, limit, used, needed) in [
                    (
                        "machines",
                        "maxTotalInstances",
                        "totalInstancesUsed",
                        number(taken.len()),
                    ),
                    (
                        "vCPUs",
                        "maxTotalCores",
                        "totalCoresUsed",
                        sum(|size| size.processors),
                    ),
                    (
                        "MiB of memory",
                        "maxTotalRAMSize",
                        "totalRAMUsed",
                        sum(|size| size.memory_mib),
                    ),
                ] {
                    findings.push(room(what, &limits[limit], &limits[used], needed));
                }
            }
            Err(error) => findings.push(Finding::bad("quota of machines", &error)),
        }
        let path = format!("/quotas/{}/details", token.project);
        match self.session.get(Service::Network, &path).await {
            Ok(answer) => {
                let public = self.settings.public(wanted);
                let made = |node: &&String| wanted.made.contains(*node);
                let addresses = number(public.len() - public.iter().filter(made).count());
                // These are one for all machines.
                let first = i64::from(wanted.made.is_empty());
                let own = first * i64::from(self.settings.own_network().is_some());
                for (key, words, needed) in [
                    ("floatingip", "floating IPs", addresses),
                    ("security_group", "security groups", first),
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

/// All texts of a login but what everybody's has: kinds of methods, and domains.
fn texts(value: &Value, all: &mut Vec<Secret>) {
    match value {
        Value::String(text) => all.push(Secret::new(text.as_str())),
        Value::Array(list) => list.iter().for_each(|value| texts(value, all)),
        Value::Object(map) => {
            let own = map
                .iter()
                .filter(|(key, _)| !matches!(key.as_str(), "methods" | "domain"));
            own.for_each(|(_, value)| texts(value, all));
        }
        _ => {}
    }
}

fn finding<T>(what: String, result: Result<&T, &CloudError>) -> Finding {
    match result {
        Ok(_) => Finding::good(what),
        Err(error) => Finding::bad(what, error),
    }
}

/// As quotas are counted.
fn number(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
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
