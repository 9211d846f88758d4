//! Where the cgroup hierarchies of the box are, also of a box that is itself a container.

use std::path::Path;

/// The directory in each mounted hierarchy in which the box's own processes are. With `systemd` process 1 is systemd.
pub(super) fn roots(mountinfo: &str, systemd: bool) -> Vec<String> {
    let root = if systemd { systemds_root() } else { None };
    hierarchies(mountinfo)
        .iter()
        .map(|hierarchy| hierarchy.directory(root.as_deref()))
        .collect()
}

/// A cgroup hierarchy that is mounted.
#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: String,
    /// What of the hierarchy is mounted there.
    root: String,
}

impl Hierarchy {
    /// Where the box's processes are in it. `root` is systemd's own place; `None`: the whole of what is mounted is the box's.
    fn directory(&self, root: Option<&str>) -> String {
        // A container's mount often begins at its own place, and then there is nothing to go down to.
        let below = root.and_then(|root| Path::new(root).strip_prefix(&self.root).ok());
        let mount = Path::new(&self.mount);
        let directory = below.map_or(mount.to_owned(), |below| mount.join(below));
        let path = directory.to_string_lossy();
        path.trim_end_matches('/').to_owned()
    }
}

/// Where systemd lives in its hierarchy, as seen from our namespace: machines' slices lie beside it.
fn systemds_root() -> Option<String> {
    let read = |process: &str| std::fs::read_to_string(format!("/proc/{process}/cgroup")).ok();
    // Who may not see other users' processes is one of systemd's own.
    read("1")
        .and_then(|text| root_of_init(&text))
        .or_else(|| read("self").and_then(|text| root_of_member(&text)))
}

/// The path in systemd's hierarchy, of a file such as `/proc/1/cgroup`.
fn tracked(text: &str) -> Option<&str> {
    let by = |mark: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.split_once(mark)?.1))
    };
    by(":name=systemd:").or_else(|| by("0::"))
}

fn root_of_init(text: &str) -> Option<String> {
    tracked(text)?
        .strip_suffix("/init.scope")
        .map(str::to_owned)
}

fn root_of_member(text: &str) -> Option<String> {
    let path = tracked(text)?;
    let slices = ["/user.slice/", "/system.slice/"];
    let at = slices.iter().filter_map(|slice| path.rfind(slice)).max()?;
    Some(path[..at].to_owned())
}

/// The cgroup hierarchies of both versions, by mount point.
fn hierarchies(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, kind)) = line.split_once(" - ") else {
            continue;
        };
        let fields: Vec<&str> = place.split(' ').collect();
        let kind = kind.split(' ').next();
        if fields.len() > 4 && matches!(kind, Some("cgroup" | "cgroup2")) {
            let (mount, root) = (fields[4].to_owned(), fields[3].to_owned());
            // What is mounted later at the same place hides the earlier one.
            found.retain(|other| other.mount != mount);
            found.push(Hierarchy { mount, root });
        }
    }
    found.sort_by(|one, other| one.mount.cmp(&other.mount));
    found
}

#[cfg(test)]
mod tests {
    use super::{Hierarchy, hierarchies, root_of_init, root_of_member};

    #[test]
    fn finds_hierarchies_of_both_versions() {
        let mounts = "\
21 1 0:20 / /sys/fs/cgroup rw - tmpfs tmpfs rw
22 21 0:21 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
23 21 0:22 /docker/ab /sys/fs/cgroup/memory rw shared:1 - cgroup cgroup rw,memory
24 1 0:4 / /proc rw - proc proc rw
";
        let found = hierarchies(mounts);
        let places: Vec<(&str, &str)> = found
            .iter()
            .map(|found| (found.mount.as_str(), found.root.as_str()))
            .collect();
        assert_eq!(
            places,
            [
                ("/sys/fs/cgroup/memory", "/docker/ab"),
                ("/sys/fs/cgroup/unified", "/"),
            ]
        );
    }

    /// L4: a box that is itself a container, as its kernel shows it in different ways.
    #[test]
    fn machines_of_a_box_that_is_a_container_are_looked_for_where_its_systemd_lives() {
        for (init, mounted, expected) in [
            ("0::/init.scope", "/", "/sys/fs/cgroup"),
            (
                "0::/libpod_parent/libpod-1/init.scope",
                "/",
                "/sys/fs/cgroup/libpod_parent/libpod-1",
            ),
            (
                "0::/lxc.payload.x/init.scope",
                "/",
                "/sys/fs/cgroup/lxc.payload.x",
            ),
            (
                "0::/machine.slice/a.scope/init.scope",
                "/",
                "/sys/fs/cgroup/machine.slice/a.scope",
            ),
            // Only its own part is mounted.
            ("0::/docker/ab/init.scope", "/docker/ab", "/sys/fs/cgroup"),
            (
                "0::/docker/ab/x/init.scope",
                "/docker/ab",
                "/sys/fs/cgroup/x",
            ),
            // Mounted from outside of its own namespace.
            ("0::/init.scope", "/../..", "/sys/fs/cgroup"),
            (
                "12:memory:/docker/ab\n1:name=systemd:/docker/ab/init.scope\n0::/",
                "/docker/ab",
                "/sys/fs/cgroup",
            ),
        ] {
            let hierarchy = Hierarchy {
                mount: "/sys/fs/cgroup".into(),
                root: mounted.into(),
            };
            let root = root_of_init(init);
            assert_eq!(
                hierarchy.directory(root.as_deref()),
                expected,
                "{init} {mounted}"
            );
        }
        // Not systemd, or hidden from us.
        assert_eq!(root_of_init("0::/docker/ab"), None);
        for (own, root) in [
            (
                "0::/lxc/a/user.slice/user-1000.slice/session-3.scope",
                "/lxc/a",
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x",
                "",
            ),
            (
                "0::/system.slice/docker-1.scope/system.slice/cron.service",
                "/system.slice/docker-1.scope",
            ),
        ] {
            assert_eq!(root_of_member(own).as_deref(), Some(root), "{own}");
        }
    }
}
