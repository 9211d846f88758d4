//! The disk of a new machine: all that its first boot needs, on top of a base image.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::super::elevate::Elevate;
use super::super::program::Program;
use super::super::{CloudError, Wanted, WantedMachine};
use super::names::Names;
use super::network;
use super::observe::MachineRecord;
use super::tree::Tree;
use crate::step::sha256;
use crate::template::SANDBOX;

/// What a new machine is to be.
pub(super) struct New<'a> {
    /// What the deployment wants.
    pub(super) wanted: &'a Wanted,
    /// The machine it wants.
    pub(super) machine: &'a WantedMachine,
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// The network it is in.
    pub(super) network: Ipv4Net,
    /// Its base image.
    pub(super) image: &'a str,
}

/// Makes a machine's disk with all that its first boot needs. It appears by a rename: a disk that is there is whole.
pub(super) async fn make(
    names: &Names,
    new: &New<'_>,
    elevate: &Elevate,
) -> Result<(), CloudError> {
    let node = &new.machine.node;
    let part = names.part(node);
    let target = names.machine(node);
    // A broken predecessor: of a killed run, or a disk without its image.
    let remove = Program::new(
        format!("clear the way for {node}"),
        "rm",
        ["-rf", &part, &target],
    );
    elevate.run(remove.within(120)).await?;
    let mkdir = Program::new(format!("make the disk of {node}"), "mkdir", ["-p", &part]);
    elevate.run(mkdir).await?;
    let unpack = disk(new).unpack(format!("make the disk of {node}"), &part);
    elevate.run(unpack).await?;
    let rename = Program::new(
        format!("make the disk of {node}"),
        "mv",
        ["-T", &part, &target],
    );
    elevate.run(rename).await?;
    Ok(())
}

/// A new machine's directory: its record, and a disk that holds what the first boot needs.
fn disk(new: &New<'_>) -> Tree {
    let node = &new.machine.node;
    let record = MachineRecord {
        address: new.address,
        host_key: new.machine.host_key_public.clone(),
        image: new.image.to_owned(),
    };
    let record = serde_json::to_string_pretty(&record).unwrap_or_default();
    // Known before the first boot: systemd would take an empty one for a system that was never set up, and set it up.
    let identity =
        sha256(format!("{}/{node}/{}", new.wanted.id, new.machine.host_key_public).as_bytes());
    let unit = "deployer-network.service";
    Tree::new()
        .file("machine.json", 0o644, &record)
        .directory("disk", 0o700)
        .directory("disk/root", 0o755)
        .directory("disk/work", 0o755)
        .directory("disk/upper", 0o755)
        .file("disk/upper/etc/hostname", 0o644, &format!("{node}\n"))
        .file("disk/upper/etc/hosts", 0o644, &hosts(node))
        .file(
            "disk/upper/etc/machine-id",
            0o444,
            &format!("{}\n", &identity[..32]),
        )
        .file(
            "disk/upper/etc/ssh/ssh_host_ed25519_key",
            0o600,
            new.machine.host_key.expose(),
        )
        .file(
            "disk/upper/etc/ssh/ssh_host_ed25519_key.pub",
            0o644,
            &format!("{}\n", new.machine.host_key_public),
        )
        .file(
            &format!("disk/upper/etc/systemd/system/{unit}"),
            0o644,
            &network_unit(new),
        )
        .link(
            &format!("disk/upper/etc/systemd/system/multi-user.target.wants/{unit}"),
            &format!("../{unit}"),
        )
        .directory("disk/upper/root", 0o700)
        .directory("disk/upper/root/.ssh", 0o700)
        .file(
            "disk/upper/root/.ssh/authorized_keys",
            0o600,
            &format!("{}\n", new.wanted.user_key),
        )
}

fn hosts(node: &str) -> String {
    format!("127.0.0.1 localhost\n127.0.1.1 {node}\n::1 localhost ip6-localhost ip6-loopback\n")
}

/// The machine sets its own address, so that it has it again after a reboot from within.
fn network_unit(new: &New<'_>) -> String {
    let gateway = network::own_address(new.network);
    let route = network::route(new.network, "host0", new.address);
    format!(
        "\
# At boot systemd empties /tmp, where it makes the unit's own /dev at the same moment: hence after that.
[Unit]
Description=Address on the deployment's network (written by deployer)
DefaultDependencies=no
After=systemd-tmpfiles-setup.service
Wants=network.target
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/ip address replace {}/{} dev host0
ExecStart=/bin/ip link set dev host0 up
ExecStart=/bin/ip route replace {route}
ExecStart=/bin/ip route replace default via {gateway}
{SANDBOX}\
# To set the address.
CapabilityBoundingSet=CAP_NET_ADMIN
ProtectHome=yes
ProtectProc=invisible

[Install]
WantedBy=multi-user.target
",
        new.address,
        new.network.prefix_len()
    )
}
