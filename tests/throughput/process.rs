//! What a process of an agent used.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Time on a processor and memory, as last seen.
#[derive(Debug, Default, Clone, Copy)]
pub struct Used {
    pub processor: Duration,
    pub most_mib: u64,
    pub now_mib: u64,
}

/// Starts an agent.
pub fn start(program: &str, config: &Path, stdin: Stdio) -> Child {
    let log = std::fs::File::create(config.with_extension("log")).unwrap();
    Command::new(program)
        .arg("--config")
        .arg(config)
        .stdin(stdin)
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Returns what a process has used; nothing where it has ended.
pub fn used(child: &Child) -> Option<Used> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", child.id())).ok();
    let (stat, status) = (read("stat")?, read("status")?);
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // Fields 14 and 15 of the whole line, in hundredths of a second.
    let ticks: u64 = fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?;
    let mib = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib / 1024)
    };
    Some(Used {
        processor: Duration::from_millis(ticks * 10),
        most_mib: mib("VmHWM:")?,
        now_mib: mib("VmRSS:")?,
    })
}
