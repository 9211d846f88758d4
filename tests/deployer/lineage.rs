//! The way of events, of each inventory that is built in.

use deployer::inventory::BUILT_IN;
use deployer::layout;
use deployer::tell::lineage;
use deployer::topology::{Ids, Options, Topology};

#[test]
fn the_way_of_events_is_drawn() {
    let drawn = BUILT_IN.map(|(name, text)| {
        let inventory = layout::parse(text.as_bytes(), name).expect("inventory");
        let made = Topology::new(&inventory, &Options::default(), &Ids::default());
        let flows = lineage::flows(&made.expect("topology").0);
        let (text, drawn) = (lineage::text(&flows), lineage::mermaid(&flows));
        format!("# {name}\n\n{text}\n{drawn}")
    });
    insta::assert_snapshot!(drawn.join("\n"));
}
