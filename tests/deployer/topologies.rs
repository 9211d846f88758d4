//! Topologies of inventories that tests write, and those that are none.

use deployer::topology::{Ids, Options, Topology};

/// What an inventory makes, or what is said against it.
pub(crate) fn read(text: &str) -> Result<Topology, String> {
    let options = Options::default();
    let read = Topology::read(text.as_bytes(), "t.yaml", &options);
    read.and_then(|inventory| Topology::new(&inventory, &options, &Ids::default()))
        .map(|(topology, _)| topology)
        .map_err(|problems| problems.to_string())
}

/// An inventory is good, and with one text in it replaced by another one it is refused, in these words.
pub(crate) fn assert_refused(inventory: &str, cases: &[(&str, &str, &str)]) {
    read(inventory).expect("good");
    for (good, bad, told) in cases {
        assert!(inventory.contains(good), "{good}");
        let said = read(&inventory.replacen(good, bad, 1)).expect_err(bad);
        assert!(said.contains(told), "{bad}:\n{said}\nhas not\n{told}");
    }
}
