//! What this cloud needs of the box.

use std::path::Path;

use super::super::elevate::Elevate;
use super::super::needs::{self, act, program};
use super::super::{CloudError, Need};
use super::names::DEPLOYMENTS;
use crate::sudo::SudoError;

/// Programs and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 6] = [
    ("debootstrap", "debootstrap"),
    ("flock", "util-linux"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("systemd-nspawn", "systemd-container"),
    ("tar", "tar"),
];

/// What the box lacks.
pub(super) async fn missing(elevate: &Elevate) -> Result<Vec<Need>, CloudError> {
    if !cfg!(target_os = "linux") {
        return Ok(vec![act("machines on this box need Linux".into())]);
    }
    let mut needs = needs::ssh();
    for (name, package) in PROGRAMS {
        if !program(name) {
            needs.push(needs::lacking(name, package));
        }
    }
    let root = elevate.silent().await;
    if !root && !program("sudo") {
        needs.push(act(SudoError::Missing.to_string()));
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let systems = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let module = format!("/lib/modules/{}/kernel/fs/overlayfs", release.trim());
    if !systems.contains("\toverlay\n") && !Path::new(&module).exists() {
        needs.push(act("a kernel with overlayfs".into()));
    }
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    if let Some((at, kind)) = filesystem(&mounts, DEPLOYMENTS)
        && matches!(kind, "overlay" | "nfs" | "nfs4")
    {
        needs.push(act(format!(
            "a disk for {DEPLOYMENTS} that can hold overlays: {at} is {kind}; mount another one there"
        )));
    }
    Ok(needs)
}

/// The mount point and kind of the file system that holds (or would hold) a path.
fn filesystem<'a>(mounts: &'a str, path: &str) -> Option<(&'a str, &'a str)> {
    let mut found = None;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        if fields.len() > 2 && Path::new(path).starts_with(fields[1]) {
            // Longer mount points win, and later ones over earlier ones at the same place.
            let longer = |(at, _): &(&str, &str)| at.len() <= fields[1].len();
            if found.as_ref().is_none_or(longer) {
                found = Some((fields[1], fields[2]));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::filesystem;

    #[test]
    fn finds_the_file_system_of_a_path() {
        let mounts = "a / overlay rw\nb /var ext4 rw\nc /var/lib/deployer xfs rw\n";
        let at = |path| filesystem(mounts, path).expect("a mount");
        assert_eq!(at("/var/lib/deployer/local"), ("/var/lib/deployer", "xfs"));
        assert_eq!(at("/var/lib"), ("/var", "ext4"));
        assert_eq!(at("/usr"), ("/", "overlay"));
    }
}
