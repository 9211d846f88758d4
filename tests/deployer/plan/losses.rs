//! What is lost, in words, and what is asked before.

use deployer::step::Action;
use insta::assert_snapshot;

use super::s0::Deployment;
use crate::nodes::node;

#[test]
fn a_lost_zookeeper_takes_the_brokers_data_with_it() {
    let mut deployment = Deployment::up();
    deployment.replace("vm2");
    let plan = deployment.plan();
    assert_snapshot!(plan);
    assert_eq!(plan.refused().count(), 2);

    deployment.destroy_data = ["vm2".to_owned(), "vm3".to_owned()].into();
    assert_eq!(deployment.plan().refused().count(), 0);
    assert_eq!(
        deployment.epochs_to_renew().len(),
        3,
        "every topic is made anew"
    );
    deployment.converge();
}

#[test]
fn a_consumer_elsewhere_stops_before_the_topics_are_made_anew() {
    let mut deployment = Deployment::new();
    let nodes = &mut deployment.topology.nodes;
    for (node, change) in [("vm2", false), ("vm1-1", true)] {
        let roles = &mut nodes.get_mut(node).expect("a node").roles;
        if change {
            roles.insert("consumer".into());
        } else {
            roles.remove("consumer");
        }
    }
    deployment.converge();
    deployment.replace("vm2");
    deployment.destroy_data = ["vm2".to_owned(), "vm3".to_owned()].into();
    let text = deployment.plan().to_string();
    let stop = "  vm1-1: stop utilization-consumer.service (ZooKeeper starts anew)\n";
    assert!(text.starts_with(&format!("wipe brokers\n{stop}")), "{text}");
    deployment.converge();
}

#[test]
fn a_lost_broker_leaves_the_other_with_all() {
    let mut deployment = Deployment::up();
    deployment.replace("vm3");
    let losses = deployment.plan().losses;
    let words: Vec<&str> = losses.iter().map(|loss| loss.words.as_str()).collect();
    assert_eq!(
        words,
        ["the data of kafka and couchdb is gone with its machine"]
    );
    assert!(
        deployment.epochs_to_renew().is_empty(),
        "two copies, one is left"
    );
    for topic in deployment.topology.topics.values_mut() {
        topic.replication = 1;
    }
    assert_eq!(
        deployment.epochs_to_renew().len(),
        3,
        "one copy, perhaps there"
    );
}

#[test]
fn a_machine_that_is_switched_off_has_lost_nothing() {
    let deployment = Deployment::up();
    deployment.world.reachable("vm2", false);
    let plan = deployment.plan();
    assert!(plan.losses.is_empty(), "{plan}");
    assert!(!plan.to_string().contains("remove"), "{plan}");
    assert!(deployment.epochs_to_renew().is_empty());
}

#[test]
fn a_renamed_node_starts_empty() {
    let mut deployment = Deployment::up();
    deployment.topology.nodes.remove("vm3");
    let renamed = node("vm4", &["kafka", "couchdb"]);
    deployment.topology.nodes.insert("vm4".into(), renamed);
    deployment.world.add("vm4");
    deployment.cloud.orphans.insert("vm3".into());
    let losses = deployment.plan().losses;
    let words: Vec<String> = losses
        .iter()
        .map(|loss| format!("{}: {}", loss.node, loss.words))
        .collect();
    assert_eq!(
        words,
        [
            "vm3: another node takes over kafka and couchdb and starts empty; the data here is left behind",
            "vm3: its broker goes and leads 0 and has copies of 3 partitions \
             (deployer-canaries, utilizations1, utilizations2); partitions cannot be moved yet, so vm3 should stay a broker"
        ]
    );
    deployment.destroy_data.insert("vm3".into());
    deployment.prune = true;
    assert_eq!(deployment.plan().refused().count(), 0);
}

/// T38: what the old CouchDB said of its databases was taken for what the new one has.
#[test]
fn a_couchdb_that_moves_gets_its_databases_in_the_same_up() {
    let mut deployment = Deployment::up();
    for (node, has) in [("vm3", false), ("vm2", true)] {
        let node = deployment.topology.nodes.get_mut(node).expect("a node");
        if has {
            node.roles.insert("couchdb".into());
        } else {
            node.roles.remove("couchdb");
        }
    }
    assert_eq!(deployment.plan().refused().count(), 1);
    deployment.destroy_data.insert("vm3".into());
    let plan = deployment.plan();
    assert_eq!(plan.refused().count(), 0);
    let prepares = |action: &Action| matches!(action, Action::CallTool { waits: false, .. });
    assert!(plan.actions().any(prepares), "{plan}");
    deployment.converge();
}

#[test]
fn data_that_is_not_wanted_goes_only_when_named() {
    let mut deployment = Deployment::up();
    let node = deployment.topology.nodes.get_mut("vm3").expect("a node");
    node.roles.remove("couchdb");
    let path = "/var/lib/deployer/utilization/couchdb";
    assert!(deployment.plan().losses.is_empty());
    assert!(deployment.plan().notes[0].contains(path));

    deployment.destroy_data.insert("vm3".into());
    let plan = deployment.plan();
    assert_eq!(plan.losses.len(), 1);
    assert_eq!(plan.refused().count(), 0);
    deployment.run(&plan).expect("runs");
    assert!(!deployment.world.facts("vm3").files.contains_key(path));
}

#[test]
fn the_first_up_loses_nothing_wherever_it_is_killed() {
    let steps = {
        let deployment = Deployment::up();
        deployment.world.log().len()
    };
    for killed_after in 0..steps {
        let mut deployment = Deployment::new();
        let plan = deployment.plan();
        deployment.world.die_after(killed_after);
        let _ = deployment.run(&plan);
        deployment.world.revive();
        let plan = deployment.plan();
        assert!(
            plan.losses.is_empty(),
            "killed after {killed_after}: {plan}"
        );
        assert!(
            plan.restarts.is_empty(),
            "killed after {killed_after}: {plan}"
        );
    }
}

#[test]
fn a_topic_removed_by_hand_gets_a_new_epoch() {
    let mut deployment = Deployment::up();
    deployment.world.remove_topic("utilizations1");
    let renew = deployment.epochs_to_renew();
    assert_eq!(renew.into_iter().collect::<Vec<_>>(), ["utilizations1"]);
    deployment.converge();
}
