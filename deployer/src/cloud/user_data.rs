//! What a machine is told at its first boot, by cloud-init: who it is and who may log in. Nothing else: the rest comes over the
//! connection that this makes trustworthy.
//!
//! The private host key goes this way. Whoever may read the machine's user data, or is logged in on it, can read the key: so it is
//! good for the first contact, and the machine then makes one of its own.

use std::collections::BTreeMap;

use base64_simd::STANDARD;
use serde::Serialize;

use super::{CloudError, WantedMachine};
use crate::secret::Secret;

/// sudo and Java look up the machine's own name, and wait for a name server where it is not in the hosts table.
const OWN_NAME: &str = r#"grep -qw "$0" /etc/hosts || echo "127.0.1.1 $0" >> /etc/hosts"#;

/// What a cloud adds for all of its machines.
#[derive(Debug, Clone, Default)]
pub struct Extra {
    /// Files.
    pub files: Vec<File>,
    /// Commands that run early at each boot: program and arguments.
    pub boot: Vec<Vec<&'static str>>,
    /// Commands that run once, at the end: program and arguments.
    pub commands: Vec<Vec<&'static str>>,
}

/// A file that is there after the first boot.
#[derive(Debug, Clone, Serialize)]
pub struct File {
    /// Its path.
    pub path: &'static str,
    /// Its permissions, such as `0644`.
    pub permissions: &'static str,
    /// What is in it.
    pub content: String,
}

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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    write_files: Vec<File>,
    bootcmd: Vec<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runcmd: Vec<Vec<&'static str>>,
}

/// The user data of a machine, as text: a secret because of the host key. `limit` is what the cloud takes, in bytes before it is
/// encoded.
pub fn render(
    machine: &WantedMachine,
    user_key: &str,
    ssh_keys: &[String],
    extra: Extra,
    limit: usize,
) -> Result<Secret, CloudError> {
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
        write_files: extra.files,
        bootcmd: std::iter::once(vec!["sh", "-c", OWN_NAME, &machine.node])
            .chain(extra.boot)
            .collect(),
        runcmd: extra.commands,
    };
    let yaml = serde_yaml::to_string(&config).map_err(|error| {
        CloudError::Refused(format!(
            "{}: its user data cannot be written: {error}",
            machine.node
        ))
    })?;
    let text = format!("#cloud-config\n{yaml}");
    if text.len() > limit {
        return Err(CloudError::Refused(format!(
            "{}: its user data has {} bytes, the cloud takes {limit}: name fewer `ssh_keys`",
            machine.node,
            text.len()
        )));
    }
    Ok(Secret::new(text))
}

/// User data as calls want it.
pub fn encode(text: &Secret) -> String {
    STANDARD.encode_to_string(text.expose().as_bytes())
}
