//! Where members may speak plain text, and what an inventory means that says nothing of it.

use deployer::layout;
use deployer::prepare::{plain_text, recorded};
use deployer::receipt::{Choices, Receipt};
use deployer::topology::{Ids, Options, Security, Topology};

/// One node that does everything, and what else the inventory says.
fn text(cloud: &str, more: &str) -> String {
    format!(
        "name: x\ncloud: {cloud}\nnodes:\n  vm1: {{ roles: [zookeeper, kafka, couchdb] }}\nkafka: {{ replication: 1 }}\n{more}"
    )
}

/// Why an inventory is refused where what is to be is decided.
fn refusal(text: &str) -> Option<String> {
    let inventory = layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
    let made = Topology::new(&inventory, &Options::default(), &Ids::default());
    let (topology, _) = made.expect("it fits together");
    let refused = plain_text::check(&inventory, &topology).err()?;
    Some(refused.to_string())
}

const HOST: &str = "clouds: { existing: { hosts: { vm1: { address: 10.0.0.1 } } } }\n";

#[test]
fn off_is_for_this_box_and_for_a_network_of_our_own() {
    for (cloud, more, reader) in [
        ("local", "", None),
        ("aws", "", None),
        (
            "aws",
            "clouds: { aws: { vpc: vpc-1 } }\n",
            Some("the VPC that `clouds.aws` names"),
        ),
        (
            "aws",
            "clouds: { aws: { subnet: subnet-1 } }\n",
            Some("the VPC that `clouds.aws` names"),
        ),
        ("chameleon", "", Some("other projects of the site")),
        (
            "chameleon",
            "clouds: { chameleon: { network: own } }\n",
            Some("other projects of the site"),
        ),
        ("existing", HOST, Some("whoever is in your hosts' network")),
    ] {
        let on = text(cloud, more);
        assert_eq!(refusal(&on), None, "{on}");
        assert_eq!(refusal(&format!("security: on\n{on}")), None, "{on}");
        let refused = refusal(&format!("security: off\n{on}"));
        let Some(reader) = reader else {
            assert_eq!(refused, None, "{on}");
            continue;
        };
        let refused = refused.unwrap_or_else(|| panic!("not refused: {on}"));
        // With its line, who reads along, and what to do.
        for words in [
            "x.yaml:1:11: security: `off` is plain text",
            reader,
            "take the key away",
        ] {
            assert!(refused.contains(words), "`{words}` is not in {refused}");
        }
    }
}

#[test]
fn off_is_refused_between_clouds() {
    let text = "name: x\nsecurity: off\ncloud: aws\nnodes:\n  vm1: { roles: [zookeeper, kafka] }\n  \
                vm2: { cloud: local, roles: [] }\nkafka: { replication: 1 }\n";
    let refused = refusal(text).expect("refused");
    assert!(refused.contains("x.yaml:2:11: security: "), "{refused}");
    assert!(
        refused.contains("between the clouds of its nodes"),
        "{refused}"
    );
}

#[test]
fn the_stand_in_is_for_this_box_or_for_security_off() {
    let stand_in = "couchdb: { distribution: pouchdb }\n";
    for (cloud, more, is_refused) in [
        ("local", "", false),
        ("aws", "", true),
        ("aws", "security: off\n", false),
        ("chameleon", "", true),
        ("existing", HOST, true),
    ] {
        let refused = refusal(&text(cloud, &format!("{stand_in}{more}")));
        assert_eq!(refused.is_some(), is_refused, "{cloud} {more}: {refused:?}");
        let words = "couchdb.distribution: the stand-in for CouchDB speaks plain text";
        assert!(
            refused.is_none_or(|refused| refused.contains(words)),
            "{cloud}"
        );
    }
}

#[test]
fn a_receipt_of_before_meant_off() {
    let receipt = |inventory: String| Receipt {
        inventory,
        choices: Choices::default(),
        ..Receipt::bare("0123456789ab", "x", "existing")
    };
    // What is refused today has to be seen and taken away still.
    let silent = text(
        "existing",
        &format!("couchdb: {{ distribution: pouchdb }}\n{HOST}"),
    );
    let old = Receipt {
        secure_by_default: false,
        ..receipt(silent.clone())
    };
    let meant = |receipt: &Receipt| recorded::topology(receipt).map(|made| made.security);
    assert_eq!(meant(&old).expect("it is read"), Security::Off);
    assert_eq!(
        meant(&receipt(silent.clone())).expect("it is read"),
        Security::On
    );
    let said = Receipt {
        secure_by_default: false,
        ..receipt(format!("security: on\n{silent}"))
    };
    assert_eq!(meant(&said).expect("it is read"), Security::On);
    // As it lies on disk: nothing is there, as before.
    let written = serde_json::to_value(&old).expect("JSON");
    assert_eq!(written.get("secure_by_default"), None);
    let read: Receipt = serde_json::from_value(written).expect("a receipt");
    assert!(!read.secure_by_default);
}

#[test]
fn where_the_same_inventory_means_on_now_it_is_said_and_how_it_stays_off() {
    let said = |last: &str, now: &str| {
        let parsed = |text: &str| layout::parse(text.as_bytes(), "x.yaml").expect("an inventory");
        let topology = |text: &str| {
            let made = Topology::new(&parsed(text), &Options::default(), &Ids::default());
            made.expect("it fits together").0
        };
        plain_text::ends(&parsed(now), &topology(last), &topology(now))
    };
    let (silent, on, off) = ("", "security: on\n", "security: off\n");
    let local = |more: &str| text("local", more);
    let words = said(&local(off), &local(silent)).expect("it is said");
    assert!(
        words.contains("`security: off` in the inventory leaves all as it is"),
        "{words}"
    );
    let words = said(
        &text("existing", &format!("{HOST}{off}")),
        &text("existing", HOST),
    );
    let words = words.expect("it is said");
    assert!(
        words.contains("cannot stay off, for whoever is in your hosts' network"),
        "{words}"
    );
    for (last, now) in [(off, on), (off, off), (on, silent), (silent, silent)] {
        assert_eq!(said(&local(last), &local(now)), None, "{last} {now}");
    }
}
