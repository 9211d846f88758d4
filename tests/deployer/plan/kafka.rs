//! What Kafka itself must be told, and what it cannot do: settings, copies, partitions, and brokers that come and go.

use deployer::component::zookeeper::ZookeeperSection;
use deployer::plan::Plan;
use deployer::topology::Topology;

use super::s0::Deployment;
use crate::nodes::node;

/// The lines of the plan that say what differs about topics.
fn differences(plan: &Plan) -> Vec<String> {
    let diffs = plan.changes().filter_map(|change| change.diff.clone());
    let lines: Vec<String> = diffs
        .flat_map(|diff| diff.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let of_topics = |line: &String| line.starts_with("topic ");
    lines.into_iter().filter(of_topics).collect()
}

fn set(topology: &mut Topology, topic: &str, key: &str, value: &str) {
    let topic = topology.topics.get_mut(topic).expect("a topic");
    topic.config.insert(key.into(), value.into());
}

/// The default pipeline after its first `up`, which is what the next one compares with.
fn up() -> Deployment {
    let mut deployment = Deployment::new();
    for name in ["utilizations1", "utilizations2"] {
        set(&mut deployment.topology, name, "retention.ms", "604800000");
    }
    deployment.converge();
    deployment.last = Some(deployment.topology.clone());
    deployment
}

#[test]
fn settings_of_topics_converge_and_each_is_named() {
    let mut deployment = up();
    assert!(deployment.plan().is_empty());
    let topology = &mut deployment.topology;
    set(topology, "utilizations1", "retention.ms", "3600000");
    set(topology, "utilizations2", "max.message.bytes", "65536");
    let plan = deployment.plan();
    assert_eq!(
        differences(&plan),
        [
            "topic utilizations1: retention.ms 604800000 → 3600000",
            "topic utilizations2: max.message.bytes the brokers' default → 65536"
        ]
    );
    let shorter = "topic utilizations1: the shorter retention deletes older events; documents stay";
    assert!(plan.notes.iter().any(|note| note == shorter), "{plan}");
    let text = plan.to_string();
    assert!(
        text.contains("\n      topic utilizations1: retention.ms 604800000 → 3600000\n"),
        "{text}"
    );
    deployment.converge();
    // What is no longer in the inventory goes, and so does what others set.
    let topic = deployment.topology.topics.get_mut("utilizations2");
    topic.expect("a topic").config.remove("max.message.bytes");
    deployment
        .world
        .alter_topic("utilizations1", "cleanup.policy", "compact");
    assert_eq!(
        differences(&deployment.plan()),
        [
            "topic utilizations1: cleanup.policy compact → the brokers' default",
            "topic utilizations2: max.message.bytes 65536 → the brokers' default"
        ]
    );
    deployment.converge();
}

#[test]
fn more_partitions_are_added_and_fewer_are_refused() {
    let mut deployment = up();
    let partitions = |deployment: &mut Deployment, count| {
        let topic = deployment.topology.topics.get_mut("utilizations1");
        topic.expect("a topic").partitions = count;
    };
    partitions(&mut deployment, 4);
    assert_eq!(
        differences(&deployment.plan()),
        ["topic utilizations1: partitions 1 → 4"]
    );
    deployment.converge();
    deployment.last = Some(deployment.topology.clone());
    partitions(&mut deployment, 2);
    let impossible = deployment.impossible();
    assert_eq!(
        impossible[0].what,
        "topic utilizations1: partitions 4 → 2: Kafka cannot take partitions away"
    );
    assert!(impossible[0].hint.contains("`partitions: 4`"));
    // Others' hands added some: that is said, and stands in nobody's way.
    deployment.last = Some(deployment.topology.clone());
    assert!(deployment.impossible().is_empty());
    let note = "topic utilizations1: 4 partitions, not 2; Kafka cannot take any away";
    assert!(deployment.plan().notes.iter().any(|other| other == note));
}

/// A broker that still asks for `ZooKeeper` at the old port is no part of the cluster: waiting for it would wait for ever.
#[test]
fn brokers_restart_together_where_zookeeper_moves() {
    for broker_port in [9092, 9192] {
        let mut deployment = up();
        let sections = &mut deployment.topology.sections;
        sections.get_mut::<ZookeeperSection>().port = 2191;
        deployment.kafka().port = broker_port;
        let plan = deployment.plan();
        let stages: Vec<&str> = plan
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        assert!(stages.contains(&"kafka"), "{plan}");
        let one_by_one = |stage: &&str| stage.starts_with("restart") || *stage == "in sync";
        assert!(!stages.iter().any(one_by_one), "{plan}");
        deployment.converge();
        assert!(deployment.plan().is_empty());
    }
}

/// To wait for an answer before they restart would be to wait for ever, today and after each attempt.
#[test]
fn brokers_restart_together_where_they_are_asked_at_a_port_to_come() {
    let stages = |plan: &Plan| {
        let names = plan.stages.iter().map(|stage| stage.name.clone());
        names.collect::<Vec<_>>()
    };
    for in_vain in [false, true] {
        let mut deployment = up();
        deployment.kafka().port = 9192;
        if in_vain {
            deployment.world.ask_in_vain();
        }
        let plan = deployment.plan();
        let together = stages(&plan).iter().any(|stage| stage == "kafka");
        assert_eq!(together, in_vain, "{plan}");
        let said = plan.to_string().contains("all brokers restart at once");
        assert_eq!(said, in_vain, "{plan}");
        deployment.converge();
    }
    // A broker that is silent for another reason is waited for.
    let mut deployment = up();
    deployment.set_kafka("num.io.threads", "5");
    deployment.world.ask_in_vain();
    let plan = deployment.plan();
    assert!(stages(&plan).contains(&"restart vm2".to_owned()), "{plan}");
}

#[test]
fn another_number_of_copies_is_refused_and_copies_altered_by_hand_are_named() {
    let mut deployment = up();
    for topic in deployment.topology.topics.values_mut() {
        topic.replication = 3;
    }
    let impossible = deployment.impossible();
    assert_eq!(impossible.len(), 1, "{impossible:?}");
    let words = "kafka.replication 2 → 3: topics deployer-canaries, utilizations1, utilizations2 exist with 2 copies";
    assert!(impossible[0].what.starts_with(words), "{impossible:?}");
    assert!(impossible[0].hint.contains("`replication: 2`"));
    // Where the last inventory cannot be read it is a change, too.
    let last = deployment.last.take();
    assert_eq!(deployment.impossible().len(), 1);
    deployment.last = last;
    // With topics that are all made anew there is nothing to move.
    deployment.replace("vm2");
    assert!(deployment.impossible().is_empty());

    let mut deployment = up();
    for topic in deployment.topology.topics.values_mut() {
        topic.replication = 3;
    }
    deployment.last = Some(deployment.topology.clone());
    assert!(deployment.impossible().is_empty());
    let plan = deployment.plan();
    assert!(plan.is_empty());
    let words = "topic utilizations1: 2 copies of each partition, not 3; ";
    assert!(
        plan.troubles
            .iter()
            .any(|trouble| trouble.starts_with(words)),
        "{plan}"
    );
    assert!(
        plan.to_string().ends_with("nothing that `up` can do\n"),
        "{plan}"
    );
}

/// A third broker that holds copies, in the inventory no more.
fn third_broker_dropped() -> Deployment {
    let mut deployment = up();
    let third = node("vm4", &["kafka"]);
    deployment.topology.nodes.insert("vm4".into(), third);
    let ids = deployment
        .receipt
        .numbers
        .get_mut("kafka")
        .expect("brokers");
    ids.insert("vm4".into(), 3);
    deployment.world.add("vm4");
    deployment.converge();
    deployment.last = Some(deployment.topology.clone());
    deployment.topology.nodes.remove("vm4");
    deployment.topology.former.brokers.insert(3, "vm4".into());
    deployment.cloud.orphans.insert("vm4".into());
    deployment
}

#[test]
fn a_broker_that_holds_anything_stays_one() {
    let mut deployment = third_broker_dropped();
    let losses = |deployment: &Deployment| -> Vec<(String, bool)> {
        let losses = deployment.plan().losses.into_iter();
        losses
            .map(|loss| (format!("{}: {}", loss.node, loss.words), loss.allowed))
            .collect()
    };
    let stays = "vm4: its broker goes and leads 0 and has copies of 3 partitions \
                 (deployer-canaries, utilizations1, utilizations2); partitions cannot be moved yet, so vm4 should stay a broker";
    assert_eq!(losses(&deployment), [(stays.to_owned(), false)]);
    // Pruned, it takes its copies with it: named, and refused without the user's word.
    deployment.prune = true;
    let gone = "vm4: the data of kafka goes with its machine";
    let both = |allowed| vec![(gone.to_owned(), allowed), (stays.to_owned(), allowed)];
    assert_eq!(losses(&deployment), both(false));
    deployment.destroy_data.insert("vm4".into());
    assert_eq!(losses(&deployment), both(true));
    // One whose role alone is taken would stop.
    let mut deployment = third_broker_dropped();
    deployment.cloud.orphans.clear();
    let plain = node("vm4", &[]);
    deployment.topology.nodes.insert("vm4".into(), plain);
    assert_eq!(losses(&deployment), [(stays.to_owned(), false)]);
    // One that was left alone by an earlier `up` stays so.
    let mut deployment = third_broker_dropped();
    deployment.last = Some(deployment.topology.clone());
    assert_eq!(losses(&deployment), []);
}

#[test]
fn a_broker_that_was_left_alone_keeps_its_name_in_everybodys_table() {
    let deployment = third_broker_dropped();
    let text = deployment.plan().to_string();
    assert!(
        !text.contains("-10.83.0.6 vm4.utilization.internal"),
        "{text}"
    );
    assert!(
        text.contains("vm4: no longer wanted and left alone"),
        "{text}"
    );
}

#[test]
fn copies_on_a_broker_that_is_gone_are_named_with_the_way_back() {
    let mut deployment = third_broker_dropped();
    deployment.last = Some(deployment.topology.clone());
    deployment.cloud.orphans.clear();
    deployment.receipt.machines.remove("vm4");
    deployment.world.edit("vm4", |facts| {
        for unit in facts.units.values_mut() {
            unit.active = "inactive".into();
        }
    });
    let troubles = deployment.plan().troubles;
    let words = "broker 3 (vm4) is gone with copies of 3 partitions (deployer-canaries, utilizations1, utilizations2); \
                 put vm4 back into the inventory: its broker gets its old number and copies them again";
    assert!(
        troubles.iter().any(|trouble| trouble == words),
        "{troubles:?}"
    );
}
