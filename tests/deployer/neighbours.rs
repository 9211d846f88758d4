//! Two deployments on one host: whatever both would have to keep in the same place is refused before anything is changed, so that
//! neither takes away or changes what is the other's.

use std::collections::{BTreeMap, BTreeSet};

use deployer::authority;
use deployer::component;
use deployer::facts::{Facts, FileFact};
use deployer::layout;
use deployer::plan::{Desired, Situation, compare};
use deployer::prepare::recorded::of_receipt;
use deployer::receipt::{Receipt, Secrets};
use deployer::step::{Item, Manifest, archive_marker};
use deployer::topology::{Ids, Options, Topology};

const SOFTWARE: &str = "/opt/couchdb";

/// What should be on the host of a deployment with CouchDB of this distribution.
fn desired(name: &str, distribution: &str) -> (Receipt, Desired) {
    let archive = match distribution {
        "archive" => ", archive: release.tar.gz",
        _ => "",
    };
    let text = format!(
        "name: {name}\ncloud: existing\nsecurity: on\nnodes: {{ all: {{ roles: [zookeeper, kafka, couchdb, consumer] }} }}\n\
         kafka: {{ replication: 1 }}\nmonitoring: {{ node_exporter: true }}\ncouchdb: {{ distribution: {distribution}{archive} }}\n\
         clouds: {{ existing: {{ hosts: {{ all: {{ address: 192.0.2.1 }} }} }} }}\n"
    );
    let inventory = layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
    let (topology, ids) =
        Topology::new(&inventory, &Options::default(), &Ids::default()).expect("a topology");
    let mut receipt = Receipt::bare(&format!("id-{name}"), name, "existing");
    receipt.numbers = ids.numbers;
    let epochs = topology.topics.keys();
    let epochs = epochs
        .map(|topic| (topic.clone(), "e".to_owned()))
        .collect();
    receipt.epochs.insert("kafka".into(), epochs);
    let now = "2026-11-29T12:00:00Z".parse().expect("a time");
    let services = component::services(&topology);
    let secrets = authority::complete(&Secrets::default(), name, &services, now).expect("made");
    let desired = of_receipt(&receipt, &topology, &secrets, &BTreeMap::new());
    (receipt, desired.expect("what should be"))
}

/// The host of the first deployment, as the second sees it.
fn host(items: &[Item], packages: &[&str]) -> Facts {
    let mut facts = Facts::default();
    for item in items {
        if let Item::File { path } | Item::Directory { path, .. } = item
            && !item.is_named_for("one")
        {
            facts.files.insert(path.clone(), FileFact::default());
        }
    }
    if packages.is_empty() {
        let marker = archive_marker(SOFTWARE);
        facts.files.insert(marker, FileFact::default());
    }
    // Either is there.
    facts.files.insert(SOFTWARE.into(), FileFact::default());
    facts.packages = packages.iter().map(|name| (*name).to_owned()).collect();
    facts
}

/// What stands in a deployment's way on a host.
fn conflicts((receipt, desired): &(Receipt, Desired), facts: Facts) -> Vec<String> {
    let none = BTreeSet::new();
    let situation = Situation {
        facts: &[("all".to_owned(), facts)].into(),
        receipt,
        strict: &["all".to_owned()].into(),
        known: &none,
        lost: &none,
        orphans: &none,
        prune: false,
        destroy_data: &none,
        last: None,
    };
    let found = compare(desired, &situation).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn what_both_would_keep_in_one_place_is_refused() {
    for (first, packages) in [("apache", vec!["couchdb"]), ("archive", vec![])] {
        let (_, one) = desired("one", first);
        let facts = host(&one.items("all"), &packages);
        let shared: BTreeSet<String> = facts.files.keys().cloned().collect();
        for second in ["apache", "archive"] {
            let two = desired("two", second);
            let found = conflicts(&two, facts.clone());
            let own = two.1.items("all");
            let both = own.iter().filter_map(Item::path);
            for path in both.filter(|path| shared.contains(*path)) {
                let named = found.iter().any(|one| one.contains(path));
                assert!(named, "{first}, then {second}: {path}: {found:?}");
            }
            // A package would be unpacked over the other's archive; and an archive over the other's package.
            assert!(!found.is_empty(), "{first}, then {second}");
        }
    }
}

/// The same deployment that goes from an archive to the package takes its own away first.
#[test]
fn its_own_archive_is_in_nobodys_way() {
    let (_, one) = desired("one", "archive");
    let mut facts = host(&one.items("all"), &[]);
    facts.manifest = Some(Manifest {
        version: Manifest::VERSION,
        id: "id-one".into(),
        deployment: "one".into(),
        node: "all".into(),
        items: one.items("all"),
        packages: BTreeSet::new(),
    });
    let found = conflicts(&desired("one", "apache"), facts);
    assert!(!found.iter().any(|one| one.contains(SOFTWARE)), "{found:?}");
}
