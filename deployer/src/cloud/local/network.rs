//! A deployment's network: a bridge with the box's address on it, and an nftables table that lets machines out under that
//! address of the box, and nobody in. Nothing of the box's own network is touched but for marked rules where its packet filter drops what is
//! forwarded (`admit`); that it forwards packets stays on, since others on it
//! may have come to need it.

use std::net::Ipv4Addr;
use std::path::Path;

use futures_util::future::try_join_all;
use ipnet::Ipv4Net;

use super::super::elevate::Elevate;
use super::super::program::Program;
use super::super::{CloudError, Progress};
use super::admit;
use super::names::{self, Names};
use super::observed::Observed;
use super::reading::unreadable;

const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
/// Each machine's systemd takes 8 of the 128 that root may have by default.
const INOTIFY: &str = "/proc/sys/fs/inotify/max_user_instances";
const INOTIFY_INSTANCES: u32 = 4096;

/// Makes the network, whatever of it is there.
pub(super) async fn make(
    names: &Names,
    network: Ipv4Net,
    observed: &Observed,
    elevate: &Elevate,
    progress: &dyn Progress,
) -> Result<(), CloudError> {
    let what = || format!("make the network {network}");
    let bridge = names.network();
    // Without an address of its own it would take that of its lowest port, and change it as machines come and go.
    let [_, a, b, c] = network.network().octets();
    let hardware = format!("02:64:70:{a:02x}:{b:02x}:{c:02x}");
    let add = [
        "add", "name", &bridge, "address", &hardware, "type", "bridge",
    ];
    link(
        true,
        &bridge,
        &[&add[..], &["forward_delay", "0"]].concat(),
        elevate,
    )
    .await?;
    let mut lines = Vec::new();
    let own = own_address(network);
    lines.push(format!(
        "address replace {own}/{} dev {bridge}",
        network.prefix_len()
    ));
    lines.push(format!("link set dev {bridge} up"));
    lines.push(format!("route replace {}", route(network, &bridge, own)));
    for machine in observed.machines.values() {
        let cable = names::cable(machine.address);
        if exists(&cable) {
            lines.push(format!("link set dev {cable} master {bridge}"));
        }
    }
    let ip = Program::new(what(), "ip", ["-batch", "-"]);
    elevate.run(ip.reading(lines.join("\n") + "\n")).await?;
    let table = Program::new(what(), "nft", ["-f", "-"]);
    elevate
        .run(table.reading(ruleset(&bridge, network)))
        .await?;
    for chain in admit::make(names, elevate).await? {
        let words = format!("letting {bridge} through the box's packet filter ({chain})");
        progress.line(None, &words);
    }
    raise(FORWARD, 1, elevate).await?;
    if let Err(error) = raise(INOTIFY, INOTIFY_INSTANCES, elevate).await {
        // In a container nobody may; a handful of machines get along without.
        progress.line(
            None,
            &format!("more than a dozen machines may not start here: {error}"),
        );
    }
    Ok(())
}

/// Removes the network, whatever of it is there.
pub(super) async fn remove(names: &Names, elevate: &Elevate) -> Result<(), CloudError> {
    let bridge = names.network();
    // The box's own packet filter takes long to list, and no rule of it needs the interface it names.
    let (admitted, interfaces) = tokio::join!(
        admit::remove(names, elevate),
        remove_interfaces(&bridge, elevate)
    );
    admitted?;
    interfaces?;
    // Adding it first makes removing it succeed, there or not.
    let table = format!("table ip {bridge} {{ }}\ndelete table ip {bridge}\n");
    let nft = Program::new("remove the nftables table", "nft", ["-f", "-"]);
    elevate.run(nft.reading(table)).await?;
    Ok(())
}

async fn remove_interfaces(bridge: &str, elevate: &Elevate) -> Result<(), CloudError> {
    // The kernel takes a machine's cable away with the machine's network, which may live on for minutes.
    let cables = super::reading::entries(&format!("/sys/class/net/{bridge}/brif"))?;
    let cables = cables.iter().filter(|cable| cable.starts_with("vb-"));
    try_join_all(
        cables.map(async |cable| link(false, cable, &["delete", "dev", cable], elevate).await),
    )
    .await?;
    link(false, bridge, &["delete", "dev", bridge], elevate).await
}

/// Makes an interface be there or not by a command of `ip link`. What a killed run began may end at the same moment: only
/// the outcome counts.
pub(super) async fn link(
    there: bool,
    interface: &str,
    arguments: &[&str],
    elevate: &Elevate,
) -> Result<(), CloudError> {
    if exists(interface) == there {
        return Ok(());
    }
    let verb = if there { "make" } else { "remove" };
    let arguments = [&["link"], arguments].concat();
    let ip = Program::new(format!("{verb} the interface {interface}"), "ip", arguments);
    let ended = elevate.attempt(&ip, &|_| ()).await?;
    if ended.status != 0 && exists(interface) != there {
        return Err(ip.failed(&ended));
    }
    Ok(())
}

/// The box's own address in a deployment's network.
pub(super) fn own_address(network: Ipv4Net) -> Ipv4Addr {
    network.hosts().next().unwrap_or_else(|| network.addr())
}

/// The route from `own` to its neighbours, as arguments of `ip route replace`. With delayed acknowledgements each ssh login
/// would wait 40 ms twice.
pub(super) fn route(network: Ipv4Net, interface: &str, own: Ipv4Addr) -> String {
    format!("{network} dev {interface} proto kernel scope link src {own} quickack 1")
}

/// Whether an interface exists.
pub(super) fn exists(interface: &str) -> bool {
    Path::new(&format!("/sys/class/net/{interface}")).exists()
}

/// Whether the box forwards packets.
pub(super) fn forwards() -> bool {
    std::fs::read_to_string(FORWARD).is_ok_and(|value| value.trim() == "1")
}

/// Nothing is forwarded to the machines but answers to what they began: who is not on the box gets nowhere. Only what leaves the
/// network gets the box's address. Frames between machines pass these hooks too where `br_netfilter` is on. Whatever the table
/// held before is replaced in the same moment.
fn ruleset(bridge: &str, network: Ipv4Net) -> String {
    format!(
        "table ip {bridge} {{ }}\n\
         delete table ip {bridge}\n\
         table ip {bridge} {{\n\
             chain forward {{\n\
                 type filter hook forward priority 0; policy accept;\n\
                 oifname != \"{bridge}\" accept\n\
                 iifname \"{bridge}\" accept\n\
                 ct state established,related accept\n\
                 drop\n\
             }}\n\
             chain postrouting {{\n\
                 type nat hook postrouting priority 100; policy accept;\n\
                 ip saddr {network} ip daddr != {network} masquerade\n\
             }}\n\
         }}\n"
    )
}

async fn raise(path: &str, wanted: u32, elevate: &Elevate) -> Result<(), CloudError> {
    let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
    if text.trim().parse::<u32>().is_ok_and(|now| now >= wanted) {
        return Ok(());
    }
    let tee = Program::new(format!("set {path} to {wanted}"), "tee", [path]);
    elevate.run(tee.reading(wanted.to_string())).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ruleset;

    #[test]
    fn only_answers_come_in_and_only_what_leaves_is_masqueraded() {
        insta::assert_snapshot!(ruleset("dp-1", "10.213.7.0/24".parse().expect("a network")));
    }
}
