//! From where SSH is let in: the ranges that the inventory names, and the address that this box is seen by.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::{CloudError, Notes, Wanted};

/// The note with addresses that were let in besides the inventory's own, separated by spaces.
pub const SSH_FROM: &str = "ssh from";

/// A range, or an address as the range that holds only it.
pub fn range_of(text: &str) -> Result<Ipv4Net, String> {
    text.parse::<Ipv4Net>()
        .map(|range| range.trunc())
        .or_else(|_| text.parse().map(|address: Ipv4Addr| Ipv4Net::from(address)))
        .map_err(|_| format!("`{text}` is not an IPv4 address or range"))
}

/// The ranges that may use SSH: the inventory's, and those that were noted.
pub fn ssh_from(
    inventory: &[String],
    notes: &BTreeMap<String, String>,
) -> Result<BTreeSet<Ipv4Net>, CloudError> {
    let noted = notes.get(SSH_FROM).map(String::as_str).unwrap_or_default();
    inventory
        .iter()
        .map(String::as_str)
        .chain(noted.split_whitespace())
        .map(|source| range_of(source).map_err(CloudError::Refused))
        .collect()
}

/// What is wrong with the ranges that may use SSH, and with more keys that may log in.
pub fn problems(ssh_from: &[String], ssh_keys: &[String]) -> Vec<String> {
    let ranges = ssh_from.iter().filter_map(|source| {
        let problem = range_of(source).err()?;
        Some(format!("`ssh_from`: {problem}"))
    });
    let keys = ssh_keys.iter();
    let keys = keys.filter(|key| ssh_key::PublicKey::from_openssh(key).is_err());
    let keys = keys.map(|key| {
        format!("`ssh_keys`: `{key}` is not a public key such as `ssh-ed25519 AAAA… name`")
    });
    ranges.chain(keys).collect()
}

/// What is wanted, with the address that this box is seen by let in where nobody says who may use SSH.
pub async fn from_where_it_is(
    wanted: &Wanted,
    ssh_from: &[String],
    address_url: &str,
) -> Result<Wanted, CloudError> {
    let mut wanted = wanted.clone();
    let said = !ssh_from.is_empty() || wanted.notes.contains_key(SSH_FROM);
    if !said && !wanted.machines.is_empty() {
        let address = own_address(address_url).await?;
        let range = format!("{address}/32");
        wanted.notes.insert(SSH_FROM.into(), range);
    }
    Ok(wanted)
}

/// Variables that name a proxy.
const PROXIES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The address that this box is seen by, as the service at `url` says. A proxy is not asked: SSH does not go through it, and it is
/// seen by its own address.
pub async fn own_address(url: &str) -> Result<Ipv4Addr, CloudError> {
    let ask = async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(10))
            .build()?;
        client
            .get(url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await
    };
    let answer = ask.await.map_err(|error| error.to_string());
    answer
        .and_then(|text| {
            text.trim()
                .parse()
                .map_err(|_| "the answer is no IPv4 address".into())
        })
        .map_err(|why: String| {
            let named = |name: &&str| std::env::vars_os().any(|(key, _)| key == **name);
            let proxy = PROXIES.iter().find(|name| named(name));
            let proxy = proxy.map_or(String::new(), |name| {
                format!("; the proxy in {name} was not asked, for SSH does not go through it")
            });
            CloudError::Refused(format!(
                "{url} does not say by which address this box is seen ({why}{proxy}): set `ssh_from`"
            ))
        })
}

/// Notes that an address may use SSH; the next plan lets it in.
pub fn allow(notes: &dyn Notes, address: Ipv4Addr) -> Result<(), CloudError> {
    let mut ranges = notes.get(SSH_FROM).unwrap_or_default();
    let range = Ipv4Net::from(address).to_string();
    if ranges.split_whitespace().any(|one| one == range) {
        return Ok(());
    }
    ranges.push_str(if ranges.is_empty() { "" } else { " " });
    ranges.push_str(&range);
    notes.record(SSH_FROM, &ranges)
}
