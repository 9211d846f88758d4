//! Hosts that go down in the middle of `up`, as unattended-upgrades reboots them for a new kernel: no step of ours has failed then,
//! so they are waited for, and `up` goes on from what it finds.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;

use crate::host::{Command, Host, HostError, Input};
use crate::reach::connections::Connections;
use crate::report::{Event, Reporter};
use crate::retry::Retry;
use crate::run::{Failures, StepError};

/// How long a host may take to end its services: systemd gives each 90 s.
const GOING_DOWN: Duration = Duration::from_mins(2);
/// How long a host may take to say how it is.
const ANSWER: Duration = Duration::from_secs(10);

/// Whether nothing has failed but hosts that went down. Comes back when they are down, and says that they are waited for.
pub async fn only_went_down(
    connections: &Connections,
    failures: &Failures,
    reporter: &dyn Reporter,
) -> bool {
    let looks = failures.iter().map(|(node, (_, error))| async move {
        let Ok(host) = connections.host(node) else {
            return false;
        };
        cut(error) | is_down(host).await
    });
    let all = join_all(looks).await.into_iter().all(|down| down);
    if all {
        let nodes: BTreeSet<&str> = failures.keys().map(String::as_str).collect();
        let nodes: Vec<&str> = nodes.into_iter().collect();
        reporter.event(&Event::Warning(format!(
            "{}: the connection broke in the middle, as when a host reboots: `up` waits until it answers again, and goes on",
            nodes.join(", ")
        )));
    }
    all
}

/// Whether a step was cut off.
fn cut(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Host(
            HostError::Connection { .. } | HostError::Timeout { .. } | HostError::Refused { .. }
        )
    )
}

/// Waits while a host ends its services, which also ends what a step runs there; whether that was so, or it answers no more.
async fn is_down(host: &dyn Host) -> bool {
    let mut retry = Retry::every(Duration::from_millis(200)).within(GOING_DOWN);
    let ask = Command {
        program: "systemctl".into(),
        arguments: vec!["is-system-running".into()],
        input: Input::Nothing,
        timeout: ANSWER,
        root: false,
    };
    let mut going = false;
    while !retry.is_over() {
        match host.run(&ask).await {
            Err(_) => return true,
            Ok(state) if state.stdout.starts_with(b"stopping") => going = true,
            Ok(_) => return going,
        }
        retry.pause().await;
    }
    going
}
