//! What `top` says about the machine, as numbers.

use serde::Serialize;

pub use super::table::Process;
use super::table::{Figures, parse_processes};

/// What `top` says about the machine; a figure it does not show is null.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// Load averages of 1, 5 and 15 minutes.
    pub load: Vec<f64>,
    /// How long the machine is up, in `top`'s words.
    pub uptime: Option<String>,
    /// Users logged in.
    pub users: Option<u64>,
    /// Processes by state.
    pub tasks: Tasks,
    /// Shares of the processors' time, in percent.
    pub cpu: Cpu,
    /// The main memory.
    pub memory: Memory,
    /// The swap space, in the memory's unit.
    pub swap: Swap,
    /// One entry per process.
    pub processes: Vec<Process>,
    /// The text itself, where it is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// Processes by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tasks {
    /// All processes.
    pub total: Option<u64>,
    /// Running or ready to run.
    pub running: Option<u64>,
    /// Sleeping, also where it cannot be interrupted.
    pub sleeping: Option<u64>,
    /// Stopped by a signal or a debugger.
    pub stopped: Option<u64>,
    /// Ended and not waited for.
    pub zombie: Option<u64>,
}

/// Shares of the processors' time, in percent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// Programs.
    pub user: Option<f64>,
    /// The kernel.
    pub system: Option<f64>,
    /// Programs of lowered priority.
    pub nice: Option<f64>,
    /// Nothing to do.
    pub idle: Option<f64>,
    /// Waiting for disks.
    pub wait: Option<f64>,
    /// Hardware interrupts.
    pub hardware_interrupt: Option<f64>,
    /// Software interrupts.
    pub software_interrupt: Option<f64>,
    /// Taken by the hypervisor.
    pub steal: Option<f64>,
}

/// The main memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Memory {
    /// The unit of all these figures, as in `MiB`.
    pub unit: Option<String>,
    /// All of it.
    pub total: Option<f64>,
    /// Not used at all.
    pub free: Option<f64>,
    /// Used by programs and the kernel.
    pub used: Option<f64>,
    /// Buffers and cache.
    pub cache: Option<f64>,
}

/// The swap space.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Swap {
    /// All of it.
    pub total: Option<f64>,
    /// Not used.
    pub free: Option<f64>,
    /// Used.
    pub used: Option<f64>,
    /// Memory that programs could still get, without swapping.
    pub available: Option<f64>,
}

impl Snapshot {
    /// Returns what `top` did not show, in words; a figure too wide for its place is no sign of that.
    pub fn missing(&self) -> Vec<&'static str> {
        let shares = &self.cpu;
        [
            (self.load.is_empty(), "the load"),
            (self.tasks.total.is_none(), "the number of processes"),
            (
                shares.user.is_none() || shares.idle.is_none(),
                "the processors' shares",
            ),
            (
                self.memory.free.is_none() && self.memory.used.is_none(),
                "the memory",
            ),
            (
                self.swap.free.is_none() && self.swap.used.is_none(),
                "the swap space",
            ),
            (
                !self
                    .processes
                    .iter()
                    .any(|one| one.pid.is_some() && one.command.is_some()),
                "the processes",
            ),
            (
                self.processes
                    .iter()
                    .all(|one| one.cpu.is_none() || one.resident_kib.is_none()),
                "the processes' shares",
            ),
        ]
        .into_iter()
        .filter_map(|(is_missing, words)| is_missing.then_some(words))
        .collect()
    }
}

/// Reads the text of `top -b -n 1`; what is not recognised stays null.
pub fn parse(text: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("top - ") {
            parse_first(rest, &mut snapshot);
        } else if let Some(rest) = line.strip_prefix("Tasks:") {
            snapshot.tasks = parse_tasks(&Figures::read(rest));
        } else if let Some(rest) = line.strip_prefix("%Cpu(s):") {
            snapshot.cpu = parse_cpu(&Figures::read(rest));
        } else if line.split_whitespace().any(|word| word == "PID") {
            snapshot.processes = parse_processes(line, lines);
            break;
        } else if let Some((label, rest)) = line.split_once(':') {
            let mut words = label.split_whitespace();
            let figures = Figures::read(rest);
            match (words.next(), words.next()) {
                (Some(unit), Some("Mem")) => snapshot.memory = parse_memory(unit, &figures),
                (Some(_), Some("Swap")) => snapshot.swap = parse_swap(&figures),
                _ => {}
            }
        }
    }
    snapshot
}

/// Reads `08:55:35 up 1 day, 21 min,  0 user,  load average: 0.10, 0.85, 0.76`.
fn parse_first(rest: &str, snapshot: &mut Snapshot) {
    let (head, load) = rest.split_once("load average:").unwrap_or((rest, ""));
    snapshot.load = load
        .split(',')
        .filter_map(|figure| figure.trim().parse().ok())
        .collect();
    let Some((_, up)) = head.split_once(" up ") else {
        return;
    };
    let mut uptime = Vec::new();
    for part in up.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match part
            .strip_suffix("users")
            .or_else(|| part.strip_suffix("user"))
        {
            Some(count) => snapshot.users = count.trim().parse().ok(),
            None => uptime.push(part.split_whitespace().collect::<Vec<_>>().join(" ")),
        }
    }
    snapshot.uptime = Some(uptime.join(", ")).filter(|text| !text.is_empty());
}

fn parse_tasks(figures: &Figures) -> Tasks {
    let mut sleeping = figures.get("sleeping");
    if let Some(uninterruptible) = figures.get::<u64>("d-sleep") {
        // Newer versions count these apart; the sum is what older ones show.
        sleeping = Some(sleeping.unwrap_or(0) + uninterruptible);
    }
    Tasks {
        total: figures.get("total"),
        running: figures.get("running"),
        sleeping,
        stopped: figures.get("stopped"),
        zombie: figures.get("zombie"),
    }
}

fn parse_cpu(figures: &Figures) -> Cpu {
    Cpu {
        user: figures.get("us"),
        system: figures.get("sy"),
        nice: figures.get("ni"),
        idle: figures.get("id"),
        wait: figures.get("wa"),
        hardware_interrupt: figures.get("hi"),
        software_interrupt: figures.get("si"),
        steal: figures.get("st"),
    }
}

fn parse_memory(unit: &str, figures: &Figures) -> Memory {
    Memory {
        unit: Some(unit.to_owned()),
        total: figures.get("total"),
        free: figures.get("free"),
        used: figures.get("used"),
        cache: figures.get("buff/cache"),
    }
}

fn parse_swap(figures: &Figures) -> Swap {
    Swap {
        total: figures.get("total"),
        free: figures.get("free"),
        used: figures.get("used"),
        available: figures.get("avail"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// procps 3.3.17, Debian 11.
    const DEBIAN_11: &str = include_str!("testdata/debian-11.txt");
    /// procps 4.0.2, Debian 12.
    const DEBIAN_12: &str = include_str!("testdata/debian-12.txt");
    /// procps 3.3.16, Ubuntu 20.04.
    const UBUNTU_20_04: &str = include_str!("testdata/ubuntu-20.04.txt");

    #[test]
    fn debian_12_reads_as_numbers() {
        let top = parse(DEBIAN_12);
        assert_eq!(top.load, [0.1, 0.85, 0.76]);
        assert_eq!(top.uptime.as_deref(), Some("21 min"));
        assert_eq!(top.users, Some(0));
        assert_eq!(
            top.tasks,
            Tasks {
                total: Some(69),
                running: Some(1),
                sleeping: Some(68),
                stopped: Some(0),
                zombie: Some(0)
            }
        );
        assert_eq!(top.cpu.idle, Some(100.0));
        assert_eq!(top.memory.unit.as_deref(), Some("MiB"));
        assert_eq!(top.memory.total, Some(24105.6));
        assert_eq!(top.memory.cache, Some(618.2));
        assert_eq!(top.swap.available, Some(23698.8));
        let first = serde_json::to_value(&top.processes[0]).expect("is JSON");
        assert_eq!(
            first,
            serde_json::json!({"pid":1,"user":"root","priority":"20","nice":0,"virtual_kib":39192,"resident_kib":10744,
                "shared_kib":6344,"state":"S","cpu":0.0,"memory":0.0,"time":"0:04.59","command":"process_api"})
        );
        assert_eq!(top.processes[3].nice, Some(-20));
    }

    #[test]
    fn debian_11_reads_suffixes_real_time_and_names_with_spaces() {
        let top = parse(DEBIAN_11);
        assert_eq!(top.uptime.as_deref(), Some("12 days, 3:04"));
        assert_eq!(top.users, Some(2));
        assert_eq!(top.tasks.zombie, Some(1));
        assert_eq!(top.cpu.user, Some(12.5));
        let java = &top.processes[0];
        assert_eq!(
            (java.virtual_kib, java.resident_kib, java.shared_kib),
            (Some(12_897_485), Some(1_048_576), Some(24_832))
        );
        assert_eq!(java.cpu, Some(106.2));
        assert_eq!(top.processes[1].priority.as_deref(), Some("rt"));
        assert_eq!(
            top.processes[2].command.as_deref(),
            Some("Web Content (isolated)")
        );
        assert_eq!(top.processes[2].user.as_deref(), Some("systemd+"));
        assert_eq!(top.processes.len(), 4);
    }

    #[test]
    fn ubuntu_20_04_reads_kib_and_figures_cut_by_a_plus() {
        let top = parse(UBUNTU_20_04);
        assert_eq!(top.uptime.as_deref(), Some("1:02"));
        assert_eq!(top.users, Some(1));
        assert_eq!(top.memory.unit.as_deref(), Some("KiB"));
        assert_eq!(
            top.memory.total, None,
            "a figure with its last digits cut off is not a figure"
        );
        assert_eq!(top.memory.free, Some(8_043_212.0));
        assert_eq!(top.swap.total, Some(2_097_148.0));
        assert_eq!(
            top.processes
                .last()
                .and_then(|p| p.command.clone())
                .as_deref(),
            Some("na\u{fffd}ve")
        );
    }

    #[test]
    fn nonsense_gives_nothing_and_does_not_panic() {
        for text in [
            "",
            "\n\n",
            "top - up",
            "top -  up ,",
            "Tasks:",
            "%Cpu(s): x us, ,",
            "MiB Mem",
            "PID",
            "PID USER\n1",
            ":::",
        ] {
            let top = parse(text);
            assert!(top.load.is_empty());
        }
    }
}
