//! What a machine is told at its first boot: who it is, who may log in, and when its time is over. Nothing else: the rest comes
//! over the connection that this makes trustworthy.
//!
//! The private host key goes this way. Whoever may read the instance's user data (`ec2:DescribeInstanceAttribute`) or is logged
//! in on the machine can read it: people who can do worse anyway.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use jiff::Timestamp;
use serde::Serialize;

use super::ttl;
use crate::cloud::{CloudError, WantedMachine};
use crate::secret::Secret;

/// What AWS takes, in bytes, before it is encoded.
pub const LIMIT: usize = 16 * 1024;

/// sudo and Java look up the machine's own name, and wait for a name server where it is not in the hosts table.
const OWN_NAME: &str = r#"grep -qw "$0" /etc/hosts || echo "127.0.1.1 $0" >> /etc/hosts"#;

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "cloud-init's own keys")]
struct CloudConfig<'a> {
    hostname: &'a str,
    preserve_hostname: bool,
    // The hosts table is ours: it would be rewritten at each boot.
    manage_etc_hosts: bool,
    ssh_pwauth: bool,
    disable_root: bool,
    ssh_deletekeys: bool,
    ssh_keys: BTreeMap<&'static str, &'a str>,
    ssh_authorized_keys: Vec<&'a str>,
    write_files: Vec<File>,
    bootcmd: Vec<Vec<&'a str>>,
    runcmd: Vec<Vec<&'static str>>,
}

#[derive(Serialize)]
struct File {
    path: String,
    permissions: &'static str,
    content: String,
}

/// The user data of a machine, as text: a secret because of the host key.
pub fn render(
    machine: &WantedMachine,
    user_key: &str,
    ssh_keys: &[String],
    expires: Option<Timestamp>,
) -> Result<Secret, CloudError> {
    let file = |path: &str, permissions, content: &str| File {
        path: path.into(),
        permissions,
        content: content.into(),
    };
    let config = CloudConfig {
        hostname: &machine.node,
        preserve_hostname: false,
        manage_etc_hosts: false,
        ssh_pwauth: false,
        disable_root: true,
        ssh_deletekeys: true,
        ssh_keys: BTreeMap::from([
            ("ed25519_private", machine.host_key.expose()),
            ("ed25519_public", machine.host_key_public.as_str()),
        ]),
        ssh_authorized_keys: std::iter::once(user_key)
            .chain(ssh_keys.iter().map(String::as_str))
            .collect(),
        write_files: vec![
            file(ttl::FILE, "0644", &ttl::content(expires)),
            file(ttl::SCRIPT_FILE, "0755", ttl::SCRIPT),
            file(
                "/etc/systemd/system/deployer-ttl.service",
                "0644",
                ttl::SERVICE_UNIT,
            ),
            file(
                "/etc/systemd/system/deployer-ttl.timer",
                "0644",
                ttl::TIMER_UNIT,
            ),
        ],
        bootcmd: vec![vec!["sh", "-c", OWN_NAME, &machine.node]],
        runcmd: vec![
            vec!["systemctl", "daemon-reload"],
            vec!["systemctl", "enable", "--now", ttl::TIMER],
        ],
    };
    let yaml = serde_yaml::to_string(&config).map_err(|error| {
        CloudError::Refused(format!(
            "{}: its user data cannot be written: {error}",
            machine.node
        ))
    })?;
    let text = format!("#cloud-config\n{yaml}");
    if text.len() > LIMIT {
        return Err(CloudError::Refused(format!(
            "{}: its user data has {} bytes, AWS takes {LIMIT}: name fewer `ssh_keys`",
            machine.node,
            text.len()
        )));
    }
    Ok(Secret::new(text))
}

/// User data as the call wants it.
pub fn encode(text: &Secret) -> String {
    STANDARD.encode_to_string(text.expose().as_bytes())
}
