//! How long machines live: a file on the machine says when it powers itself off, a tag on it shows the same to everybody else.
//! The file counts. It is written at the first boot, so that a machine that nobody ever reaches stops, too.

use jiff::Timestamp;

use super::settings::Settings;
use crate::template::SANDBOX;
pub use crate::topology::{OnTtl, SHORTEST_TTL, Ttl};

/// What looks at the file.
pub const SCRIPT_FILE: &str = "/usr/local/sbin/deployer-ttl";
/// Runs the script every minute.
pub const TIMER: &str = "deployer-ttl.timer";

/// Fails unless the file says that there is time. A file that is gone or spoilt does not keep a machine alive.
pub const SCRIPT: &str = "\
#!/bin/sh
end=$(cat /etc/deployer/expires)
[ \"$end\" = never ] || [ \"$(date +%s)\" -lt \"$end\" ]
";

/// The script's unit. systemd itself powers off where it fails, so the script needs no right, and one that cannot even begin
/// keeps no machine alive either.
pub fn service_unit() -> String {
    format!(
        "\
[Unit]
Description=Power off when the deployment's time is over
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart={SCRIPT_FILE}
{SANDBOX}\
PrivateTmp=yes
ProtectHome=yes
ProtectProc=invisible
"
    )
}

/// Leaves half an hour after each boot, for somebody to renew.
pub const TIMER_UNIT: &str = "\
[Unit]
Description=Look whether the deployment's time is over
[Timer]
OnBootSec=30min
OnUnitActiveSec=1min
AccuracySec=10s
[Install]
WantedBy=timers.target
";

/// What happens at the end, after the time left.
pub fn then(settings: &Settings, end: Option<Timestamp>) -> &'static str {
    match (end, settings.on_ttl) {
        (None, _) => "they run, and cost, until `deployer teardown`",
        (_, OnTtl::Stop) => "then they power themselves off",
        (_, OnTtl::Terminate) => "then they delete themselves with all their data",
    }
}

/// What becomes of machines that nobody takes away.
pub fn if_forgotten(settings: &Settings, end: Option<Timestamp>) -> String {
    let ttl = settings.ttl;
    let list = "nobody is told: `deployer list --cloud aws` shows what is there";
    match (end, settings.on_ttl) {
        (Some(end), OnTtl::Stop) => format!(
            "They power themselves off at {end} (`ttl`: {ttl}); then their disks cost on until `deployer teardown`, and {list}."
        ),
        (Some(end), OnTtl::Terminate) => format!(
            "They are deleted with all data at {end} (`ttl`: {ttl}, `on_ttl: terminate`), and {list}."
        ),
        (None, _) => {
            format!("They run, and cost, until `deployer teardown` (`ttl: never`), and {list}.")
        }
    }
}
