//! What the user reads.

use deployer::facts::{FileFact, UnitFact};
use deployer::plan;
use deployer::step::{Item, Manifest};
use deployer::topology::{CloudName, Security};
use insta::assert_snapshot;

use super::by_hand::SECRET;
use super::s0::Deployment;

const SERVER: &str = "/etc/deployer/utilization/kafka.conf";

#[test]
fn new() {
    let deployment = Deployment::new();
    assert_snapshot!(deployment.plan());
}

#[test]
fn machines_that_do_not_exist_yet() {
    let deployment = Deployment::new();
    deployment.world.lose("vm3");
    let plan = deployment.plan();
    let changes = plan.changes().filter(|change| change.step.node == "vm3");
    for change in changes {
        assert_eq!(change.because, "new machine");
    }
}

#[test]
fn unchanged() {
    let deployment = Deployment::up();
    assert_snapshot!(deployment.plan(), @"nothing to do");
}

#[test]
fn a_member_that_others_have_no_way_to_is_left_out_and_not_waited_for() {
    let mut deployment = Deployment::new();
    deployment.elsewhere = Some("vm1-1");
    // Which sees that nothing is left to do.
    deployment.converge();
}

#[test]
fn a_changed_setting_restarts_the_brokers_one_by_one() {
    let mut deployment = Deployment::up();
    deployment.set_kafka("num.io.threads", "4");
    assert_snapshot!(deployment.plan());
    deployment.converge();
}

/// One that trusts another authority, or none, is no part of the cluster.
#[test]
fn brokers_that_would_not_know_each_other_restart_at_once() {
    let at_once = |deployment: &mut Deployment| {
        let plan = deployment.plan().to_string();
        assert!(!plan.contains("restart vm2"), "{plan}");
        assert!(
            plan.contains("authority.pem, login.conf changed since it started"),
            "{plan}"
        );
        deployment.converge();
    };
    let mut deployment = Deployment::up();
    deployment.topology.security = Security::On;
    at_once(&mut deployment);
    deployment.authority = "another";
    at_once(&mut deployment);
    deployment.topology.security = Security::Off;
    at_once(&mut deployment);
}

#[test]
fn a_broker_that_is_down_starts_before_the_others_restart() {
    let mut deployment = Deployment::up();
    deployment.set_kafka("num.io.threads", "4");
    deployment.world.edit("vm3", |facts| {
        let unit = facts
            .units
            .get_mut("utilization-kafka.service")
            .expect("a broker");
        unit.active = "activating".into();
        unit.sub = "auto-restart".into();
        facts.ports.remove(&9092);
    });
    assert_snapshot!(deployment.plan());
    deployment.converge();
}

#[test]
fn brokers_that_are_all_down_start_together() {
    let mut deployment = Deployment::up();
    for node in ["vm2", "vm3"] {
        deployment.world.edit(node, |facts| {
            let unit = facts
                .units
                .get_mut("utilization-kafka.service")
                .expect("a broker");
            *unit = UnitFact {
                loaded: true,
                enabled: true,
                active: "inactive".into(),
                ..UnitFact::default()
            };
            facts.ports.remove(&9092);
        });
    }
    assert_snapshot!(deployment.plan());
    deployment.converge();
}

#[test]
fn a_new_port_does_not_wait_for_an_answer_that_cannot_come() {
    let mut deployment = Deployment::up();
    deployment.kafka().port = 9192;
    assert_snapshot!(deployment.plan());
    deployment.converge();
}

#[test]
fn missing_topics_partitions_and_databases_are_named() {
    let mut deployment = Deployment::up();
    let topics = &mut deployment.topology.topics;
    topics.get_mut("utilizations1").expect("a topic").partitions = 3;
    let mut third = topics["utilizations2"].clone();
    third.name = "utilizations3".into();
    third.database = "utilizations3".into();
    topics.insert("utilizations3".into(), third);
    assert_snapshot!(deployment.plan(), @r"
    pipeline
      vm2: prepare 4 topics and 4 databases (missing: partitions of topic utilizations1, topic utilizations3, database utilizations3)
          topic utilizations1: partitions 1 → 3

    1 node, 1 change, 0 restarts, nothing lost
    ");
    deployment.converge();
}

#[test]
fn any_of_the_alternatives_will_do() {
    let deployment = Deployment::up();
    deployment.world.edit("vm3", |facts| {
        facts.packages.remove("java17");
        facts.packages.insert("java21".into());
    });
    assert!(deployment.plan().is_empty());
}

#[test]
fn hand_edits_are_shown_and_repaired() {
    let mut deployment = Deployment::up();
    let changed = |text: &str| FileFact {
        owner: "root".into(),
        group: "utilization-kafka".into(),
        mode: 0o640,
        sha256: deployer::step::sha256(text.as_bytes()),
        text: Some(text.into()),
        directory: false,
    };
    deployment.world.edit("vm2", |facts| {
        let text = "listeners=PLAINTEXT://0.0.0.0:9093\x1b[31m\nlog.dirs=/tmp\n";
        facts.files.insert(SERVER.into(), changed(text));
        facts.hosts_block = Some("10.83.0.9 vm3.utilization.internal\n".into());
    });
    deployment.world.edit("vm3", |facts| {
        let secret = "/etc/deployer/utilization/couchdb.conf";
        facts.files.get_mut(secret).expect("a file").sha256 = "other".into();
        facts.files.get_mut(SERVER).expect("a file").mode = 0o666;
        facts.packages.remove("procps");
    });
    deployment.world.edit("vm1-1", |facts| {
        let unit = facts
            .units
            .get_mut("utilization-producer.service")
            .expect("a producer");
        unit.enabled = false;
    });
    assert_snapshot!(deployment.plan());
    deployment.converge();
}

#[test]
fn conflicts() {
    let deployment = Deployment::on_existing_hosts();
    deployment.world.edit("vm2", |facts| {
        facts.files.insert(SERVER.into(), FileFact::default());
        facts.users.insert("utilization-kafka".into());
        facts.ports.insert(2181, "zookeeper.service".into());
        facts.hosts_block = Some(String::new());
        let (running, idle) = ("utilization-consumer.service", "utilization-kafka.service");
        for (unit, active) in [(running, "active"), (idle, "inactive")] {
            let fact = UnitFact {
                loaded: true,
                active: active.into(),
                ..UnitFact::default()
            };
            facts.units.insert(unit.into(), fact);
        }
    });
    deployment.world.edit("vm3", |facts| {
        facts.manifest = Some(Manifest {
            version: Manifest::VERSION,
            id: "ffffffffffff".into(),
            deployment: "utilization".into(),
            node: "vm3".into(),
            ..Manifest::default()
        });
    });
    let conflicts = deployment.compare().expect_err("conflicts");
    let lines: Vec<String> = conflicts
        .iter()
        .map(|conflict| format!("{conflict}\n  {}", conflict.hint))
        .collect();
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn our_own_things_are_no_conflict() {
    let mut deployment = Deployment::on_existing_hosts();
    deployment.converge();
    deployment.world.edit("vm2", |facts| {
        facts.files.get_mut(SERVER).expect("a file").sha256 = "other".into();
    });
    deployment.converge();
}

#[test]
fn what_no_cloud_guards_gets_a_firewall() {
    let mut deployment = Deployment::new();
    for node in deployment.topology.nodes.values_mut() {
        node.cloud = CloudName::AWS;
    }
    deployment.converge();
    let there = [("vm2", CloudName::LOCAL), ("vm3", CloudName::EXISTING)];
    for (node, cloud) in there {
        deployment
            .topology
            .nodes
            .get_mut(node)
            .expect("a node")
            .cloud = cloud;
    }
    assert_snapshot!(deployment.plan());
    deployment.converge();
    // The operator's box stands beside local machines, and is a member to them.
    let rules = deployment.world.facts("vm2").files;
    let rules = rules["/etc/deployer/deployer-utilization.nft"].text.clone();
    assert_snapshot!(rules.expect("rules"));
    deployment.kafka().port = 9192;
    let plan = deployment.plan();
    let change = plan
        .changes()
        .find(|change| change.step.action.describe().contains("firewall"));
    assert_snapshot!(change.expect("a new port").to_string());
}

#[test]
fn a_role_that_moves_away_is_taken_away_but_not_its_data() {
    let mut deployment = Deployment::up();
    let node = deployment.topology.nodes.get_mut("vm3").expect("a node");
    node.roles.remove("couchdb");
    let plan = deployment.plan();
    assert_snapshot!(plan);
    deployment.run(&plan).expect("runs");
    let items = deployment
        .world
        .facts("vm3")
        .manifest
        .expect("a manifest")
        .items;
    let kept = Item::Directory {
        path: "/var/lib/deployer/utilization/couchdb".into(),
        data: true,
    };
    assert!(items.contains(&kept), "a teardown must find it: {items:?}");
}

#[test]
fn orphans_are_named() {
    let mut deployment = Deployment::up();
    deployment.topology.nodes.remove("vm1-2");
    deployment.cloud.orphans.insert("vm1-2".into());
    assert_snapshot!(deployment.plan());
}

#[test]
fn teardown() {
    let mut deployment = Deployment::on_existing_hosts();
    deployment.converge();
    assert_snapshot!(plan::teardown(&deployment.manifests(), false));
}

#[test]
fn teardown_that_keeps_data() {
    let mut deployment = Deployment::on_existing_hosts();
    deployment.converge();
    deployment.topology.nodes.retain(|node, _| node == "vm3");
    assert_snapshot!(plan::teardown(&deployment.manifests(), true));
}

#[test]
fn json() {
    let mut deployment = Deployment::up();
    deployment.set_kafka("num.io.threads", "4");
    deployment.topology.nodes.remove("vm1-2");
    deployment.cloud.orphans.insert("vm1-2".into());
    let mut plan = deployment.plan();
    // Enough to see the shape.
    for stage in &mut plan.stages {
        for queue in stage.queues.values_mut() {
            queue.retain(|change| !change.step.action.describe().contains("manifest"));
        }
    }
    assert_snapshot!(serde_json::to_string_pretty(&plan).expect("JSON"));
}

#[test]
fn no_plan_shows_a_secret() {
    let new = Deployment::new();
    let mut drifted = Deployment::up();
    drifted.world.edit("vm3", |facts| {
        let path = "/etc/deployer/utilization/couchdb.conf";
        let file = facts.files.get_mut(path).expect("a file");
        file.sha256 = "other".into();
        file.text = Some(format!("old {SECRET}"));
    });
    let drifted_plan = drifted.plan();
    assert!(!drifted_plan.is_empty());
    drifted.converge();
    for plan in [new.plan(), drifted_plan] {
        let json = serde_json::to_string(&plan).expect("JSON");
        for text in [json, plan.to_string(), format!("{plan:?}")] {
            assert!(!text.contains(SECRET), "{text}");
        }
    }
}
