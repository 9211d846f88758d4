//! What a host on the way says. ssh hides the words of the ssh that it starts for the jump, so they are asked for again.

use std::time::Duration;

use super::HostError;
use super::route::Route;
use super::ssh_error::Failure;
use super::ssh_program;
use crate::process;

/// How long each of the two questions may take.
const TIMEOUT: Duration = Duration::from_secs(8);
/// With these words nothing will change in a moment.
const FINAL: [&str; 5] = [
    "prohibited",
    "Permission denied",
    "Host key verification failed",
    "Could not resolve hostname",
    "host key is known",
];

/// Why the way through a jump host fails, where there is one and it says so.
pub(super) async fn explain(route: &Route) -> Option<Failure> {
    let said = ssh(route, &["-G", &route.destination]).await?.0;
    let way = Way::of(&said)?;
    let forward = format!("[{}]:{}", way.host, way.port);
    let gate = format!("ssh://{}", way.gate);
    let mut arguments = vec!["-o", "ConnectTimeout=5", "-W", &forward];
    if let Some(before) = &way.before {
        arguments.extend(["-J", before]);
    }
    arguments.push(&gate);
    let said = ssh(route, &arguments).await?.1;
    let detail = complaint(&said)?;
    Some(Failure {
        passing: !FINAL.iter().any(|word| detail.contains(word)),
        busy: false,
        error: HostError::Jump {
            node: route.node.clone(),
            gate: way.gate,
            detail,
        },
    })
}

/// The way as ssh's own configuration has it.
#[derive(Debug, PartialEq, Eq)]
struct Way {
    host: String,
    port: String,
    /// The last host before it.
    gate: String,
    /// Those before that one.
    before: Option<String>,
}

impl Way {
    /// Reads what `ssh -G` says.
    fn of(said: &str) -> Option<Self> {
        let value = |key: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(key))?;
            line.strip_prefix(' ').map(str::trim)
        };
        let jumps = value("proxyjump").filter(|jumps| *jumps != "none")?;
        let (before, gate) = match jumps.rsplit_once(',') {
            Some((before, gate)) => (Some(before.to_owned()), gate),
            None => (None, jumps),
        };
        Some(Self {
            host: value("hostname")?.to_owned(),
            port: value("port")?.to_owned(),
            gate: gate.trim_start_matches("ssh://").to_owned(),
            before,
        })
    }
}

/// The line that tells most.
fn complaint(said: &str) -> Option<String> {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling =
        |line: &&str| line.contains("open failed") || FINAL.iter().any(|word| line.contains(word));
    let line = lines().find(telling).or_else(|| lines().next_back())?;
    Some(line.to_owned())
}

/// What ssh printed on both channels; `None` when it could not be asked in time.
async fn ssh(route: &Route, arguments: &[&str]) -> Option<(String, String)> {
    let mut command = process::command(ssh_program::NAME);
    command.arg("-F").arg(&route.config).args(arguments);
    let ended = process::run(&mut command, &[], TIMEOUT, &|_| ()).await;
    let ended = ended.ok()??;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some((text(&ended.stdout), text(&ended.stderr)))
}

#[cfg(test)]
mod tests {
    use super::{Way, complaint};

    #[test]
    fn the_last_gate_is_asked_by_way_of_those_before() {
        let said = |jump: &str| format!("user me\nhostname 10.0.0.3\nport 2222\n{jump}");
        assert_eq!(Way::of(&said("")), None);
        assert_eq!(Way::of(&said("proxyjump none\n")), None);
        let one = Way::of(&said("proxyjump gate\n")).expect("a way");
        assert_eq!((one.gate.as_str(), one.before), ("gate", None));
        assert_eq!((one.host.as_str(), one.port.as_str()), ("10.0.0.3", "2222"));
        let two = Way::of(&said("proxyjump a,me@b:23\n")).expect("a way");
        assert_eq!(
            (two.gate.as_str(), two.before.as_deref()),
            ("me@b:23", Some("a"))
        );
    }

    #[test]
    fn the_gates_own_words_are_found() {
        let forbidden = "Warning: x\nchannel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed\n";
        let line = complaint(forbidden).expect("words");
        assert_eq!(
            line,
            "channel 0: open failed: administratively prohibited: open failed"
        );
        assert_eq!(
            complaint("b: Permission denied (publickey).\nx\n").as_deref(),
            Some("b: Permission denied (publickey).")
        );
        assert_eq!(complaint("\n"), None);
    }
}
