//! What a machine of AWS is told at its first boot besides what all are told: when its time is over.

use jiff::Timestamp;

pub use crate::cloud::user_data::encode;

use super::ttl;
use crate::cloud::ends::{POWER_OFF_FILE, power_off_content};
use crate::cloud::user_data::{self, Extra, File};
use crate::cloud::{CloudError, WantedMachine};
use crate::secret::Secret;

/// What AWS takes, in bytes, before it is encoded.
pub const LIMIT: usize = 16 * 1024;

/// The user data of a machine, as text: a secret because of the host key.
pub fn render(
    machine: &WantedMachine,
    user_key: &str,
    ssh_keys: &[String],
    expires: Option<Timestamp>,
) -> Result<Secret, CloudError> {
    let file = |path, permissions, content: &str| File {
        path,
        permissions,
        content: content.into(),
    };
    let extra = Extra {
        files: vec![
            file(POWER_OFF_FILE, "0644", &power_off_content(expires)),
            file(ttl::SCRIPT_FILE, "0755", ttl::SCRIPT),
            file(
                "/etc/systemd/system/deployer-ttl.service",
                "0644",
                &ttl::service_unit(),
            ),
            file(
                "/etc/systemd/system/deployer-ttl.timer",
                "0644",
                ttl::TIMER_UNIT,
            ),
        ],
        commands: vec![
            vec!["systemctl", "daemon-reload"],
            vec!["systemctl", "enable", "--now", ttl::TIMER],
        ],
        ..Extra::default()
    };
    user_data::render(machine, user_key, ssh_keys, extra, LIMIT)
}
