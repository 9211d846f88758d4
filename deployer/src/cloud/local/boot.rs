//! The commands that boot a machine. The overlay is mounted in a mount namespace of the machine's own, so that it ends with
//! its last process and there is never anything to unmount.

use std::path::Path;

use super::cgroup::Cgroups;
use super::names::{self, Names};
use super::observe::MachineRecord;

/// The command that starts a machine which outlives us.
pub(super) fn command(
    names: &Names,
    node: &str,
    record: &MachineRecord,
    console: &str,
    cgroups: &Cgroups,
) -> Vec<String> {
    let mut command = if cgroups.systemd {
        by_systemd(names, node, console)
    } else {
        by_ourselves(names, node, console, cgroups)
    };
    command.extend(nspawn(names, node, record, console));
    command
}

/// The program that boots a machine and ends when it is off; with 133 when it wants to boot again.
fn nspawn(names: &Names, node: &str, record: &MachineRecord, console: &str) -> Vec<String> {
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
        console,
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

/// Boots once. Arguments: layers, mount point, log, program …
const BOOT: &str = include_str!("boot.sh");

/// Starts the program again when it ends with 133. Arguments: log, cgroup below each root, roots …, `--`, program …
const SUPERVISE: &str = include_str!("supervise.sh");

/// The command that runs a program as a machine in cgroups that we make.
fn by_ourselves(names: &Names, node: &str, console: &str, cgroups: &Cgroups) -> Vec<String> {
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
    // A killed run may have started it in this very moment: one of the two gives up.
    let directory = names.machine(node);
    let once = ["--", "flock", "--exclusive", "--nonblock", &directory];
    start.extend(once.map(str::to_owned));
    start
}

/// The command that lets systemd run a program as a machine's service.
fn by_systemd(names: &Names, node: &str, console: &str) -> Vec<String> {
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
    own.map(str::to_owned).to_vec()
}
