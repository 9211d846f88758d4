//! The processes of machines. Each machine has a cgroup of its own, in every hierarchy that is mounted; what is in it is
//! the machine, and nothing else is.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::super::CloudError;
use super::super::elevate::Elevate;
use super::super::program::Program;
use super::cgroup_hierarchies;
use super::names::Names;
use super::reading::unreadable;
use crate::retry::Retry;

/// The box's cgroup hierarchies.
#[derive(Debug, Clone)]
pub(super) struct Cgroups {
    /// The directory of each in which the box's own processes are: not its mount point where the box is itself a container.
    pub(super) roots: Vec<String>,
    /// Process 1 is systemd: cgroups are made by asking it.
    pub(super) systemd: bool,
}

impl Cgroups {
    pub(super) fn of_box() -> Result<Self, CloudError> {
        let path = "/proc/self/mountinfo";
        let mounts = std::fs::read_to_string(path).map_err(unreadable(path))?;
        let systemd = Path::new("/run/systemd/system").is_dir();
        let roots = cgroup_hierarchies::roots(&mounts, systemd);
        Ok(Self { roots, systemd })
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

    /// Processes of a deployment, found by what each process says of itself: a witness that looks at no hierarchy, for when
    /// nothing may be left.
    pub(super) fn witnessed(&self, names: &Names) -> Result<BTreeSet<u32>, CloudError> {
        let mark = format!("/{}/", self.all(names));
        let mut found = BTreeSet::new();
        for entry in subdirectories("/proc")? {
            let Ok(process) = entry.parse::<u32>() else {
                continue;
            };
            // One that has just ended has no files, and is not left.
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}"));
            let ours = read("cgroup").is_ok_and(|groups| groups.contains(&mark));
            if ours && read("stat").is_ok_and(|stat| !is_over(&stat)) {
                found.insert(process);
            }
        }
        Ok(found)
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
        let mut retry = Retry::every(Duration::from_millis(10)).within(Duration::from_secs(10));
        // Who was struck ends, though it may take a moment. One may have forked between the look and the blow; so look again.
        let mut struck = BTreeSet::new();
        loop {
            let processes = self.processes(names, node)?;
            if processes.is_empty() {
                break;
            }
            let alive: Vec<String> = processes
                .iter()
                .filter(|process| struck.insert(**process))
                .map(u32::to_string)
                .collect();
            if !alive.is_empty() {
                let words = ["-c", "kill -KILL \"$@\"", "kill"].map(str::to_owned);
                let arguments = words.into_iter().chain(alive);
                let kill = Program::new(format!("power off {node}"), "sh", arguments);
                // It fails where one of them has just ended by itself.
                elevate.attempt(&kill, &|_| ()).await?;
            }
            if retry.is_over() {
                return Err(CloudError::Deadline {
                    what: format!("end the processes of {node}"),
                    seconds: 10,
                    output: format!("still there: {processes:?}"),
                });
            }
            retry.pause().await;
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
        let mut retry = Retry::every(Duration::from_millis(20)).within(Duration::from_secs(10));
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
            if ended.status != 0 && retry.is_over() {
                return Err(find.failed(&ended));
            }
            if ended.status != 0 {
                retry.pause().await;
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
        let of = |known: &str| {
            self.roots
                .iter()
                .find(|root| Path::new(root).starts_with(known))
        };
        let found = known.into_iter().find_map(of);
        found
            .or(self.roots.first())
            .map_or("/sys/fs/cgroup", String::as_str)
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

/// Whether a process has ended, by its `stat` (proc(5)), and only its parent has not asked yet how: it holds nothing any more, and
/// where process 1 is no init it may stay so for seconds. One whose first thread alone has ended is at work.
fn is_over(stat: &str) -> bool {
    // Its name comes before, which may hold anything.
    let Some((_, fields)) = stat.rsplit_once(')') else {
        return false;
    };
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let threads = fields.get(17).and_then(|threads| threads.parse().ok());
    matches!(fields.first(), Some(&("Z" | "X"))) && threads.is_some_and(|threads: u32| threads <= 1)
}

#[cfg(test)]
mod tests {
    use super::is_over;

    #[test]
    fn what_has_ended_is_not_left_though_its_parent_does_not_ask() {
        let stat = |state: &str, threads: u32| {
            let before = "0 1 1 0 -1 4194560 0 0 0 0 0 0 0 0 20 0";
            format!("7 (a) Z (b) {state} {before} {threads} 0 5 0 0")
        };
        for (state, threads, over) in [
            ("Z", 1, true),
            ("X", 0, true),
            ("Z", 9, false),
            ("D", 1, false),
        ] {
            assert_eq!(is_over(&stat(state, threads)), over, "{state} {threads}");
        }
    }
}
