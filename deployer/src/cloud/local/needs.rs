//! What this cloud needs of the box, and how to get it.

use std::path::Path;

use super::super::process::{PATH, Program};
use super::super::{CloudError, Need, Progress};
use super::elevate::Elevate;
use super::names::DEPLOYMENTS;
use crate::sudo::SudoError;

/// Programs and the Debian packages that bring them.
const PROGRAMS: [(&str, &str); 7] = [
    ("debootstrap", "debootstrap"),
    ("flock", "util-linux"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("ssh", "openssh-client"),
    ("systemd-nspawn", "systemd-container"),
    ("tar", "tar"),
];

/// What the box lacks.
pub(super) async fn missing(elevate: &Elevate) -> Result<Vec<Need>, CloudError> {
    if !cfg!(target_os = "linux") {
        return Ok(vec![act("machines on this box need Linux".into())]);
    }
    let mut needs = Vec::new();
    let apt = program("apt-get");
    for (name, package) in PROGRAMS {
        if !program(name) {
            needs.push(Need {
                what: if apt {
                    format!("the program `{name}`")
                } else {
                    format!("the program `{name}` (this box has no apt-get: install it by hand)")
                },
                package: apt.then(|| package.to_owned()),
            });
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

/// Installs packages.
pub(super) async fn provide(
    elevate: &Elevate,
    needs: &[Need],
    progress: &dyn Progress,
) -> Result<(), CloudError> {
    let mut packages: Vec<&str> = needs
        .iter()
        .filter_map(|need| need.package.as_deref())
        .collect();
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    elevate.ready().await?;
    let line = |line: &str| progress.line(None, line);
    let what = format!("install {}", packages.join(", "));
    let options = [
        "--yes",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=300",
    ];
    let arguments = [&["install"], &options[..], &packages].concat();
    let install = apt(&what, &arguments);
    if elevate.attempt(&install, &line).await?.status == 0 {
        return Ok(());
    }
    // The box's package lists are old or were never fetched.
    elevate
        .run_aloud(apt("update the package lists", &["update"]), &line)
        .await?;
    elevate.run_aloud(install, &line).await?;
    Ok(())
}

fn apt(what: &str, arguments: &[&str]) -> Program {
    Program::new(what, "apt-get", arguments.iter().copied())
        .within(900)
        .with("DEBIAN_FRONTEND", "noninteractive")
}

fn act(what: String) -> Need {
    Need {
        what,
        package: None,
    }
}

/// Whether the box has a program.
pub(super) fn program(name: &str) -> bool {
    PATH.split(':')
        .any(|directory| Path::new(directory).join(name).is_file())
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
