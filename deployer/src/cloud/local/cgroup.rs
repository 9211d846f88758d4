//! The processes of machines. Each machine has a cgroup of its own, in every hierarchy that is mounted; what is in it is
//! the machine, and nothing else is.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::super::CloudError;
use super::super::process::Program;
use super::elevate::Elevate;
use super::names::Names;
use super::tree::unreadable;

/// The box's cgroup hierarchies.
#[derive(Debug, Clone)]
pub(super) struct Cgroups {
    /// Their roots.
    pub(super) roots: Vec<String>,
    /// Process 1 is systemd: cgroups are made by asking it.
    pub(super) systemd: bool,
}

impl Cgroups {
    pub(super) fn of_box() -> Result<Self, CloudError> {
        let path = "/proc/self/mounts";
        let mounts = std::fs::read_to_string(path).map_err(unreadable(path))?;
        Ok(Self {
            roots: roots(&mounts),
            systemd: Path::new("/run/systemd/system").is_dir(),
        })
    }

    /// The processes of a machine.
    pub(super) fn processes(&self, names: &Names, node: &str) -> Result<BTreeSet<u32>, CloudError> {
        self.below(&self.machine(names, node)).collect()
    }

    /// Whether a machine has any process. Its first cgroup tells: there are some dozens in each.
    pub(super) fn runs(&self, names: &Names, node: &str) -> Result<bool, CloudError> {
        let mut processes = self.below(&self.machine(names, node));
        processes.next().transpose().map(|first| first.is_some())
    }

    /// Nodes that have processes.
    pub(super) fn nodes(&self, names: &Names) -> Result<BTreeSet<String>, CloudError> {
        let mut nodes = BTreeSet::new();
        for entry in subdirectories(&format!("{}/{}", self.tracking(), self.all(names)))? {
            let unit = names.unit("");
            let prefix = unit.trim_end_matches(".service");
            let node = if self.systemd {
                let rest = entry.strip_prefix(prefix);
                rest.and_then(|rest| rest.strip_suffix(".service"))
            } else {
                Some(entry.as_str())
            };
            let Some(node) = node else { continue };
            if self.runs(names, node)? {
                nodes.insert(node.to_owned());
            }
        }
        Ok(nodes)
    }

    /// Ends all processes of a machine at once, as if its power was cut.
    pub(super) async fn end(
        &self,
        names: &Names,
        node: &str,
        elevate: &Elevate,
    ) -> Result<(), CloudError> {
        let deadline = Instant::now() + Duration::from_secs(10);
        // A process may have forked between the look and the blow; so look again.
        loop {
            let processes = self.processes(names, node)?;
            if processes.is_empty() {
                break;
            }
            let words = ["-c", "kill -KILL \"$@\"", "kill"].map(str::to_owned);
            let arguments = words
                .into_iter()
                .chain(processes.iter().map(u32::to_string));
            let kill = Program::new(format!("power off {node}"), "sh", arguments);
            // It fails where one of them has just ended by itself.
            elevate.attempt(&kill, &|_| ()).await?;
            if Instant::now() > deadline {
                return Err(CloudError::Deadline {
                    what: format!("end the processes of {node}"),
                    seconds: 10,
                    output: format!("still there: {processes:?}"),
                });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.remove(&self.machine(names, node), elevate).await
    }

    /// Removes what is left of the deployment's cgroups; no process may be in them.
    pub(super) async fn remove_all(
        &self,
        names: &Names,
        elevate: &Elevate,
    ) -> Result<(), CloudError> {
        // systemd does not know a slice that never held a machine.
        if self.systemd && !self.left(names).is_empty() {
            let stop = Program::new("remove the slice", "systemctl", ["stop", &names.slice()]);
            elevate.run(stop.within(30)).await?;
        }
        self.remove(&self.all(names), elevate).await?;
        // The common parent goes with the last deployment; until then it is busy.
        let parents = self.directories("deployer");
        if !self.systemd && !parents.is_empty() {
            let rmdir = Program::new("remove empty cgroups", "rmdir", parents);
            elevate.attempt(&rmdir, &|_| ()).await?;
        }
        Ok(())
    }

    /// The directories of the deployment's cgroups that are there.
    pub(super) fn left(&self, names: &Names) -> Vec<String> {
        self.directories(&self.all(names))
    }

    async fn remove(&self, path: &str, elevate: &Elevate) -> Result<(), CloudError> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let directories = self.directories(path);
            // systemd removes its own.
            if self.systemd || directories.is_empty() {
                return Ok(());
            }
            let words = ["-depth", "-type", "d", "-delete"].map(str::to_owned);
            let arguments = directories.into_iter().chain(words);
            let find = Program::new("remove cgroups", "find", arguments);
            let ended = elevate.attempt(&find, &|_| ()).await?;
            // A cgroup stays busy for a moment after its last process.
            if ended.status != 0 && Instant::now() > deadline {
                return Err(find.failed(&ended));
            }
            if ended.status != 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    fn directories(&self, path: &str) -> Vec<String> {
        let all = self.roots.iter().map(|root| format!("{root}/{path}"));
        all.filter(|path| Path::new(path).is_dir()).collect()
    }

    fn machine(&self, names: &Names, node: &str) -> String {
        if self.systemd {
            format!("{}/{}", names.slice(), names.unit(node))
        } else {
            names.cgroup(node)
        }
    }

    fn all(&self, names: &Names) -> String {
        if self.systemd {
            names.slice()
        } else {
            names.cgroups()
        }
    }

    /// The hierarchy in which processes are looked for: all of them hold the same ones.
    fn tracking(&self) -> &str {
        let known = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"];
        let found = known
            .into_iter()
            .find(|known| self.roots.iter().any(|root| root == known));
        found
            .or(self.roots.first().map(String::as_str))
            .unwrap_or("/sys/fs/cgroup")
    }

    /// The processes in a cgroup and below it, looked for one cgroup after the other.
    fn below(&self, path: &str) -> impl Iterator<Item = Result<u32, CloudError>> + use<> {
        let mut open = vec![format!("{}/{path}", self.tracking())];
        let mut found: Vec<u32> = Vec::new();
        std::iter::from_fn(move || {
            loop {
                if let Some(process) = found.pop() {
                    return Some(Ok(process));
                }
                let directory = open.pop()?;
                // A cgroup may go while we look: then it has no processes.
                let list = std::fs::read_to_string(format!("{directory}/cgroup.procs"));
                let list = list.unwrap_or_default();
                found.extend(list.lines().filter_map(|line| line.parse::<u32>().ok()));
                match subdirectories(&directory) {
                    Ok(children) => {
                        open.extend(children.iter().map(|child| format!("{directory}/{child}")));
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        })
    }
}

/// The directories in a directory; none where it is gone.
fn subdirectories(directory: &str) -> Result<Vec<String>, CloudError> {
    let mut names = Vec::new();
    let Ok(found) = std::fs::read_dir(directory) else {
        return Ok(names);
    };
    for entry in found {
        let entry = entry.map_err(unreadable(directory))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// The mount points of cgroup hierarchies of both versions.
fn roots(mounts: &str) -> Vec<String> {
    let fields = mounts
        .lines()
        .map(|line| line.split(' ').collect::<Vec<_>>());
    let mut roots: Vec<String> = fields
        .filter(|fields| fields.len() > 2 && (fields[2] == "cgroup" || fields[2] == "cgroup2"))
        .map(|fields| fields[1].to_owned())
        .collect();
    roots.sort();
    roots.dedup();
    roots
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_hierarchies_of_both_versions() {
        let mounts = "\
tmpfs /sys/fs/cgroup tmpfs rw 0 0
cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0
cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0
proc /proc proc rw 0 0
";
        let expected = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"];
        assert_eq!(super::roots(mounts), expected);
    }
}
