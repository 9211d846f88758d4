//! The text of a deployment's block in `/etc/hosts`: written by the runner, compared by the plan, so it is made here.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The lines between the block's marks, each ended by a line feed, in order of the names. A name without an address is
/// left out: its machine does not exist yet.
pub fn block_text(entries: &BTreeMap<String, Option<IpAddr>>) -> String {
    entries
        .iter()
        .filter_map(|(name, address)| address.map(|address| format!("{address} {name}\n")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::block_text;

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
}
