//! One SSH configuration per deployment, generated. Pure.
//!
//! ssh takes the first value it finds for a key: what the deployment knows comes first, then the user's own configuration,
//! which therefore fills in whatever is left open (`ProxyJump` and `User` of an alias, the agent, …).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::machine::SshAccess;

/// A value that cannot stand in an SSH configuration.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{node}: `{value}` cannot be used as its {key}")]
pub struct UnfitValue {
    /// The node.
    pub node: String,
    /// Which of its values: `address`, `user` …
    pub key: &'static str,
    /// The value.
    pub value: String,
}

/// What holds for every host, the jump hosts of the user's own configuration included.
///
/// * Nothing may ask: there is nobody to answer.
/// * A dead machine ends its kept connection after 4 × 5 s, so that no later command line waits for it.
/// * What a user sets for working by hand (forwardings, commands, terminals, silence) would break or hide our commands.
const EVERY_HOST: &str = "\
Host *
  BatchMode yes
  StrictHostKeyChecking yes
  UpdateHostKeys no
  ConnectTimeout 10
  ServerAliveInterval 5
  ServerAliveCountMax 4
  ClearAllForwardings yes
  ForwardAgent no
  PermitLocalCommand no
  RemoteCommand none
  RequestTTY no
  LogLevel INFO
";

/// What ssh is asked to connect to for a node.
///
/// It is the address itself, not the node's name: `HostName ALIAS` would not apply the alias's own block of the user's
/// configuration. Only nodes that share one address (and differ in their ports) go by their names; an address that several
/// nodes share cannot be an alias.
pub fn destination<'a>(node: &'a str, nodes: &'a BTreeMap<String, SshAccess>) -> &'a str {
    let Some(access) = nodes.get(node) else {
        return node;
    };
    let address = access.address.as_str();
    let same = |other: &&SshAccess| other.address.eq_ignore_ascii_case(address);
    if nodes.values().filter(same).count() > 1 {
        node
    } else {
        address
    }
}

/// The configuration. `known_hosts` is where [`known_hosts`] was written; `includes` are the user's and the system's own
/// files, in this order (a missing one is no error to ssh).
pub fn render(
    nodes: &BTreeMap<String, SshAccess>,
    known_hosts: &Path,
    includes: &[&Path],
) -> Result<String, UnfitValue> {
    let mut text = String::from("# Written by deployer at each run.\n");
    for node in nodes.keys() {
        text.push_str(&block(node, nodes, known_hosts)?);
    }
    text.push_str(EVERY_HOST);
    for include in includes {
        let _ = writeln!(text, "Include \"{}\"", include.display());
    }
    Ok(text)
}

/// The block of one node.
pub fn block(
    node: &str,
    nodes: &BTreeMap<String, SshAccess>,
    known_hosts: &Path,
) -> Result<String, UnfitValue> {
    let fit = |key, value: &str| check(node, key, value);
    let Some(access) = nodes.get(node) else {
        return Ok(String::new());
    };
    fit("address", &access.address)?;
    let destination = destination(node, nodes);
    let mut text = format!("Host {destination}\n");
    if destination == node && access.address != node {
        let _ = writeln!(text, "  HostName {}", access.address);
    }
    if let Some(user) = &access.user {
        fit("user", user)?;
        let _ = writeln!(text, "  User {user}");
    }
    if let Some(port) = access.port {
        let _ = writeln!(text, "  Port {port}");
    }
    if let Some(key) = &access.key {
        fit("key", key)?;
        let _ = writeln!(text, "  IdentityFile {}", quoted(key));
        text.push_str("  IdentitiesOnly yes\n");
    }
    if access.host_key.is_some() {
        // The name in our own file is the node's, whatever address and port it has today; no other file may vouch for it.
        let _ = writeln!(text, "  HostKeyAlias {node}");
        let file = quoted(&known_hosts.display().to_string());
        let _ = writeln!(text, "  UserKnownHostsFile {file}");
        text.push_str("  GlobalKnownHostsFile none\n  CheckHostIP no\n");
    }
    if let Some(jump) = &access.jump {
        let jump = self::destination(jump, nodes);
        fit("jump", jump)?;
        let jump = if jump.contains(':') {
            format!("[{jump}]")
        } else {
            jump.to_owned()
        };
        let _ = writeln!(text, "  ProxyJump {jump}");
    }
    Ok(text)
}

/// The `known_hosts` file of the nodes whose host key is known to us.
pub fn known_hosts(nodes: &BTreeMap<String, SshAccess>) -> Result<String, UnfitValue> {
    let mut text = String::new();
    for (node, access) in nodes {
        for key in access.host_key.iter().flat_map(|keys| keys.split('\n')) {
            let mut words = key.split_whitespace();
            let (Some(algorithm), Some(data)) = (words.next(), words.next()) else {
                return Err(UnfitValue {
                    node: node.clone(),
                    key: "host key",
                    value: key.into(),
                });
            };
            let _ = writeln!(text, "{node} {algorithm} {data}");
        }
    }
    Ok(text)
}

/// Refuses what would be read as an option, a pattern or another line.
fn check(node: &str, key: &'static str, value: &str) -> Result<(), UnfitValue> {
    let path = key == "key";
    let unfit = value.is_empty()
        || value.starts_with('-')
        || value.contains(['"', '\\'])
        || value.chars().any(char::is_control)
        || (!path && value.contains([' ', '*', '?', '!', ',', '#', '%', '@', '/']));
    // The `%` of an IPv6 zone (`fe80::1%eth0`) is the one sign of these that addresses have.
    if unfit
        && !(key == "address"
            && value.contains(':')
            && check(node, "", &value.replace('%', "")).is_ok())
    {
        return Err(UnfitValue {
            node: node.into(),
            key,
            value: value.into(),
        });
    }
    Ok(())
}

/// A path as a value: spaces kept, `%` not a token.
fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('%', "%%"))
}
