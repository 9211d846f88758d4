//! The texts of a deployment's firewall on hosts that have none of ours around them: an nftables table and the unit that
//! loads it at boot. Written by the runner, compared by the plan, so they are made here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::template::SANDBOX;

/// The name of a deployment's table.
pub fn table(deployment: &str) -> String {
    format!("deployer-{deployment}")
}

/// The file that holds the ruleset of a table.
pub fn rules_path(table: &str) -> String {
    format!("/etc/deployer/{table}.nft")
}

/// The unit that loads a table at boot, with its suffix.
pub fn unit(table: &str) -> String {
    format!("{table}-firewall.service")
}

/// The file of the unit that loads a table.
pub fn unit_path(table: &str) -> String {
    format!("/etc/systemd/system/{}", unit(table))
}

/// The file in which it is recorded, at each loading, what was loaded and how it is listed. In `/run`: gone with the rules.
pub fn record_path(table: &str) -> String {
    format!("/run/deployer/{table}.rules")
}

/// The shell's words that write [`record_path`]: nft prints rules in other words than they were given in, and each version of
/// it in its own, so what it says right after the loading is what it has to say later.
pub fn record_command(table: &str) -> String {
    let (rules, record) = (rules_path(table), record_path(table));
    format!(
        "mkdir -p /run/deployer && {{ sha256sum <{rules}; nft list table inet {table} | sha256sum; }} >{record}"
    )
}

/// The text of the unit that loads a table.
pub fn unit_text(table: &str) -> String {
    let (rules, record) = (rules_path(table), record_command(table));
    format!(
        "# Written by deployer. At boot systemd empties /tmp, where it makes the unit's own /dev at the same moment: hence after that.\n\
         [Unit]\n\
         Description=Firewall table {table}\n\
         DefaultDependencies=no\n\
         After=local-fs.target nftables.service systemd-tmpfiles-setup.service\n\
         Before=network-pre.target\n\
         Wants=network-pre.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=/usr/sbin/nft -f {rules}\n\
         ExecStartPost=/bin/sh -c '{record}'\n\
         ExecReload=/usr/sbin/nft -f {rules}\n\
         ExecReload=/bin/sh -c '{record}'\n\
         {SANDBOX}\
         # To load rules, and to record them.\n\
         CapabilityBoundingSet=CAP_NET_ADMIN\n\
         ReadWritePaths=/run\n\
         ProtectHome=yes\n\
         ProtectProc=invisible\n\
         \n\
         [Install]\n\
         WantedBy=sysinit.target\n"
    )
}

/// The ruleset of a table, for `nft -f`: loading it replaces the table in one transaction. Only our ports are its business:
/// they are open to the node itself, to members and to what is established, and closed to all others.
pub fn ruleset(
    table: &str,
    ports: &BTreeSet<u16>,
    members: &BTreeMap<String, Option<IpAddr>>,
) -> String {
    let addresses: BTreeSet<IpAddr> = members.values().flatten().copied().collect();
    let (four, six): (Vec<IpAddr>, Vec<IpAddr>) =
        addresses.iter().partition(|address| address.is_ipv4());
    let mut text = String::from("# Written by deployer: admits members only.\n");
    // The first line makes the table where it is missing, so that the second cannot fail.
    for line in [
        format!("table inet {table}"),
        format!("delete table inet {table}"),
        format!("table inet {table} {{"),
    ] {
        text.push_str(&line);
        text.push('\n');
    }
    text.push_str(&set("ports", "inet_service", ports));
    text.push_str(&set("members4", "ipv4_addr", &four));
    text.push_str(&set("members6", "ipv6_addr", &six));
    text.push_str(
        "\tchain input {\n\
         \t\ttype filter hook input priority filter; policy accept;\n\
         \t\tmeta l4proto != tcp accept\n\
         \t\ttcp dport != @ports accept\n\
         \t\tiifname \"lo\" accept\n\
         \t\tct state established,related accept\n\
         \t\tip saddr @members4 accept\n\
         \t\tip6 saddr @members6 accept\n\
         \t\tdrop\n\
         \t}\n\
         }\n",
    );
    text
}

/// One set. nft refuses an empty list of elements, so that line is left out then.
fn set<T: ToString>(name: &str, kind: &str, elements: impl IntoIterator<Item = T>) -> String {
    let elements: Vec<String> = elements
        .into_iter()
        .map(|element| element.to_string())
        .collect();
    let list = if elements.is_empty() {
        String::new()
    } else {
        format!("\t\telements = {{ {} }}\n", elements.join(", "))
    };
    format!("\tset {name} {{\n\t\ttype {kind}\n{list}\t}}\n")
}

#[cfg(test)]
mod tests {
    use super::ruleset;

    #[test]
    fn admits_members_of_both_families() {
        let members = [
            ("vm1".to_owned(), Some("10.0.0.1".parse().expect("address"))),
            ("vm2".to_owned(), None),
            ("vm3".to_owned(), Some("fd00::3".parse().expect("address"))),
        ];
        insta::assert_snapshot!(ruleset("deployer-x", &[2181, 9092].into(), &members.into()));
    }

    #[test]
    fn has_no_empty_list_of_elements() {
        let text = ruleset("deployer-x", &[9092].into(), &[].into());
        assert!(!text.contains("{  }"), "{text}");
        assert!(
            text.contains("set members4 {\n\t\ttype ipv4_addr\n\t}"),
            "{text}"
        );
    }
}
