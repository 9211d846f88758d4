//! Machines: an overlay over a base image, booted by systemd-nspawn. The overlay is mounted in a mount namespace of the
//! machine's own, so that it ends with its last process and there is never anything to unmount.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;

use super::super::process::Program;
use super::super::{CloudError, Wanted};
use super::cgroup::Cgroups;
use super::elevate::Elevate;
use super::names::{self, Names};
use super::network;
use super::observe::MachineRecord;
use super::tree::Tree;
use crate::cloud::WantedMachine;
use crate::step::sha256;

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
pub(super) async fn make_disk(
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

/// Switches a machine on, and returns when it has got its network cable.
pub(super) async fn power_on(
    names: &Names,
    node: &str,
    record: &MachineRecord,
    cgroups: &Cgroups,
    elevate: &Elevate,
) -> Result<(), CloudError> {
    if !cgroups.processes(names, node)?.is_empty() {
        return Ok(());
    }
    let what = format!("start {node}");
    let cable = names::cable(record.address);
    // A machine whose power was cut leaves it for a moment.
    network::link(false, &cable, &["delete", "dev", &cable], elevate).await?;
    let console = format!("{}/console.log", names.machine(node));
    let boot = boot(names, node, record);
    let start = if cgroups.systemd {
        by_systemd(names, node, &console, boot)
    } else {
        by_ourselves(names, node, &console, cgroups, boot)
    };
    elevate
        .run(Program::new(what.clone(), &start[0], &start[1..]))
        .await?;
    let deadline = Instant::now() + Duration::from_secs(START);
    while !network::exists(&cable) {
        if Instant::now() > deadline {
            // It is root's, but anybody may read it.
            let output = std::fs::read_to_string(&console).unwrap_or_default();
            let seconds = START;
            return Err(CloudError::Deadline {
                what,
                seconds,
                output,
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// How long nspawn may take to begin, in seconds.
const START: u64 = 15;

/// Cuts a machine's power and removes it with its disk, whatever of it is there.
pub(super) async fn remove(
    names: &Names,
    node: &str,
    cgroups: &Cgroups,
    elevate: &Elevate,
) -> Result<(), CloudError> {
    cgroups.end(names, node, elevate).await?;
    let (part, target) = (names.part(node), names.machine(node));
    if Path::new(&target).exists() {
        // From here on it is no machine any more, even if we are stopped half-way.
        let words = [
            "-c",
            "rm -rf -- \"$2\" && mv -T -- \"$1\" \"$2\"",
            "remove",
            &target,
            &part,
        ];
        let rename = Program::new(format!("remove {node}"), "sh", words);
        elevate.run(rename.within(120)).await?;
    }
    let remove = Program::new(format!("delete the disk of {node}"), "rm", ["-rf", &part]);
    elevate.run(remove.within(120)).await?;
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
[Unit]
Description=Address on the deployment's network (written by deployer)
DefaultDependencies=no
Wants=network.target
Before=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/ip address replace {}/{} dev host0
ExecStart=/bin/ip link set dev host0 up
ExecStart=/bin/ip route replace {route}
ExecStart=/bin/ip route replace default via {gateway}

[Install]
WantedBy=multi-user.target
",
        new.address,
        new.network.prefix_len()
    )
}

/// The program that boots a machine and ends when it is off; with 133 when it wants to boot again.
fn boot(names: &Names, node: &str, record: &MachineRecord) -> Vec<String> {
    let disk = format!("{}/disk", names.machine(node));
    let root = format!("{disk}/root");
    let layers = format!(
        "lowerdir={},upperdir={disk}/upper,workdir={disk}/work",
        super::image::root(&record.image)
    );
    // systemd-resolved listens on the box's loopback only, where no machine reaches it.
    let stub = Path::new("/run/systemd/resolve/resolv.conf").exists();
    let resolver = if stub { "copy-uplink" } else { "copy-host" };
    let own = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        BOOT,
        "boot",
        &layers,
        &root,
        "env",
        // nspawn never removes its lock files.
        "SYSTEMD_NSPAWN_LOCK=0",
        "systemd-nspawn",
        "--quiet",
        "--boot",
        "--keep-unit",
        "--register=no",
        "--settings=no",
        "--link-journal=no",
        "--timezone=off",
        &format!("--resolv-conf={resolver}"),
        &format!("--directory={root}"),
        &format!("--machine={}", names::nspawn(record.address)),
        &format!("--hostname={node}"),
        &format!("--network-bridge={}", names.network()),
    ];
    own.map(str::to_owned).to_vec()
}

/// Arguments: layers, mount point, program …
const BOOT: &str = "
mount -t overlay overlay -o \"$1\" \"$2\" || exit 1
shift 2
exec \"$@\"
";

/// Arguments: log, cgroup below each root, roots …, `--`, program … The program is started again when it ends with 133.
const SUPERVISE: &str = "
log=$1 group=$2
shift 2
exec </dev/null >>\"$log\" 2>&1
while [ \"$1\" != -- ]; do
    directory=$1
    IFS=/
    for name in $group; do
        parent=$directory directory=$directory/$name
        mkdir -p \"$directory\"
        # A new cpuset of cgroup v1 is empty, and takes no process.
        for file in cpuset.cpus cpuset.mems; do
            if [ -e \"$parent/$file\" ] && [ -e \"$directory/$file\" ]; then
                cat \"$parent/$file\" >\"$directory/$file\"
            fi
        done
    done
    unset IFS
    echo $$ >\"$directory/cgroup.procs\" || exit 1
    shift
done
shift
\"$@\"
while [ $? -eq 133 ]; do \"$@\"; done
";

fn by_ourselves(
    names: &Names,
    node: &str,
    console: &str,
    cgroups: &Cgroups,
    boot: Vec<String>,
) -> Vec<String> {
    let group = names.cgroup(node);
    let own = [
        "setsid",
        "--fork",
        "sh",
        "-c",
        SUPERVISE,
        "deployer-machine",
        console,
        &group,
    ];
    let mut start: Vec<String> = own.map(str::to_owned).to_vec();
    start.extend(cgroups.roots.iter().cloned());
    start.push("--".into());
    start.extend(boot);
    start
}

fn by_systemd(names: &Names, node: &str, console: &str, boot: Vec<String>) -> Vec<String> {
    let own = [
        "systemd-run",
        "--quiet",
        "--collect",
        &format!("--unit={}", names.unit(node)),
        &format!("--slice={}", names.slice()),
        &format!("--description=Machine {node} of deployment {}", names.id()),
        "--property=Delegate=yes",
        "--property=KillMode=mixed",
        "--property=TasksMax=infinity",
        "--property=RestartForceExitStatus=133",
        "--property=SuccessExitStatus=133",
        &format!("--property=StandardOutput=append:{console}"),
        &format!("--property=StandardError=append:{console}"),
        "--",
    ];
    let mut start: Vec<String> = own.map(str::to_owned).to_vec();
    start.extend(boot);
    start
}
