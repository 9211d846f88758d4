//! What a lease costs the project, in Chameleon's service units (SUs), as far as its documentation says. Pure.

use jiff::SignedDuration;

use super::catalog::Offer;
use super::settings::Site;

/// So much of a host for an hour is one SU. Chameleon's FAQ, "What are the units of an allocation, and how am I charged?": for
/// virtual machines, 24 cores with up to 128 GB of RAM, and the fraction that is occupied is charged.
const PROCESSORS: u64 = 24;
const MEMORY_MIB: u64 = 128 * 1024;

/// Where what is charged stands.
const WHERE: &str = "what is charged, and what is left, stand on chameleoncloud.org under Projects";

/// The cost of so many machines of each flavor for a time, in words; "not known" where the documentation has no rate for one.
pub fn words<'a>(
    site: Option<Site>,
    flavors: impl IntoIterator<Item = (&'a Offer, u64)>,
    time: SignedDuration,
) -> String {
    let Some(rate) = rate(site, flavors) else {
        return format!("what the lease costs in SUs is not known here: {WHERE}");
    };
    let minutes = u64::try_from(time.as_mins()).unwrap_or_default();
    let whole = rate.saturating_mul(minutes).div_ceil(60 * 1000);
    format!(
        "the lease costs about {}.{:03} SUs an hour, {whole} in all, by Chameleon's FAQ, floating IPs not counted; {WHERE}",
        rate / 1000,
        rate % 1000
    )
}

/// What so many machines of each flavor cost in an hour, in thousandths of an SU; `None` where there is no rate for one.
pub fn rate<'a>(
    site: Option<Site>,
    flavors: impl IntoIterator<Item = (&'a Offer, u64)>,
) -> Option<u64> {
    let rates = flavors
        .into_iter()
        .map(|(offer, count)| Some(thousandths(site?, offer)?.saturating_mul(count)));
    rates.sum()
}

/// The rate of a flavor in thousandths of an SU an hour.
fn thousandths(site: Site, offer: &Offer) -> Option<u64> {
    // Others have GPUs, or are whole hosts: their rates are others.
    if !site.has_virtual_machines() || !offer.name.starts_with("m1.") {
        return None;
    }
    let part = |amount: u64, whole: u64| (amount * 1000).div_ceil(whole);
    Some(part(offer.size.processors, PROCESSORS).max(part(offer.size.memory_mib, MEMORY_MIB)))
}
