//! A deployment's block in `/etc/hosts`, and what puts it back where a machine makes that file anew at each start (a container,
//! some clouds' images): written by the runner, compared by the plan, so the texts are made here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::template::SANDBOX;

/// The lines between the block's marks, each ended by a line feed, in order of the names. A name without an address is
/// left out: its machine does not exist yet.
pub fn block_text(entries: &BTreeMap<String, Option<IpAddr>>) -> String {
    entries
        .iter()
        .filter_map(|(name, address)| address.map(|address| format!("{address} {name}\n")))
        .collect()
}

/// The line before (`begin`) or after (`end`) a block's lines.
pub fn mark(block: &str, which: &str) -> String {
    format!("# deployer {block} {which}\n")
}

/// A block's lines between its marks.
pub fn marked(block: &str, lines: &str) -> String {
    format!("{}{lines}{}", mark(block, "begin"), mark(block, "end"))
}

/// The file that holds a block for the next start.
pub fn kept_path(block: &str) -> String {
    format!("/etc/deployer/{block}/hosts")
}

/// The unit that puts a block back, with its suffix.
pub fn unit(block: &str) -> String {
    format!("{block}-hosts.service")
}

/// The file of the unit that puts a block back.
pub fn unit_path(block: &str) -> String {
    format!("/etc/systemd/system/{}", unit(block))
}

/// The text of the unit that puts a block back before the deployment's services start.
pub fn unit_text(block: &str) -> String {
    let begin = mark(block, "begin");
    let (begin, kept) = (begin.trim_end(), kept_path(block));
    // A file that does not end its last line would swallow our mark.
    let script = format!(
        "grep -qxF \"{begin}\" /etc/hosts || {{ [ -z \"$$(tail -c 1 /etc/hosts)\" ] || echo; cat {kept}; }} >>/etc/hosts"
    );
    format!(
        "# Written by deployer.\n\
         [Unit]\n\
         Description=Names of the deployment {block} in /etc/hosts\n\
         Before=network-online.target\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         RemainAfterExit=yes\n\
         ExecStart=/bin/sh -c '{script}'\n\
         {SANDBOX}\
         # The file may be closed, or somebody else's.\n\
         CapabilityBoundingSet=CAP_DAC_OVERRIDE\n\
         PrivateTmp=yes\n\
         ProtectHome=yes\n\
         ProtectProc=invisible\n\
         ReadWritePaths=/etc/hosts\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

#[cfg(test)]
mod tests {
    use super::{block_text, unit_text};

    #[test]
    fn has_a_line_for_each_known_address() {
        let entries = [
            (
                "vm3.x.internal".to_owned(),
                Some("fd00::3".parse().expect("address")),
            ),
            ("vm1.x.internal".to_owned(), None),
            (
                "vm2.x.internal".to_owned(),
                Some("10.0.0.2".parse().expect("address")),
            ),
        ];
        assert_eq!(
            block_text(&entries.into()),
            "10.0.0.2 vm2.x.internal\nfd00::3 vm3.x.internal\n"
        );
    }

    #[test]
    fn the_unit_looks_for_the_block_before_it_adds_it() {
        insta::assert_snapshot!(unit_text("x"));
    }
}
