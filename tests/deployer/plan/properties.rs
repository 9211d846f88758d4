//! Whatever happens, the same command again ends where it should.

use deployer::facts::Facts;
use deployer::plan;

use super::s0::Deployment;

/// Situations in which a plan has something to do.
fn changed() -> Vec<(&'static str, Deployment)> {
    let mut setting = Deployment::up();
    setting.set_kafka("num.io.threads", "4");

    let mut agents = Deployment::up();
    agents.agents = "2";

    let mut zookeeper = Deployment::up();
    zookeeper.replace("vm2");
    zookeeper.destroy_data = ["vm2".to_owned(), "vm3".to_owned()].into();

    let mut broker = Deployment::up();
    broker.replace("vm3");
    broker.destroy_data = ["vm3".to_owned()].into();

    vec![
        ("first up", Deployment::new()),
        ("existing hosts", Deployment::on_existing_hosts()),
        ("a changed setting", setting),
        ("other agents", agents),
        ("a lost ZooKeeper", zookeeper),
        ("a lost broker", broker),
    ]
}

#[test]
fn a_plan_leaves_nothing_to_do() {
    for (_, mut deployment) in changed() {
        deployment.converge();
    }
}

#[test]
fn a_kill_after_any_step_is_healed_by_the_same_command() {
    for (index, (name, first)) in changed().into_iter().enumerate() {
        let steps = first.plan().actions().count();
        for killed_after in 0..=steps {
            let (_, mut deployment) = changed().swap_remove(index);
            deployment.renew_epochs();
            let plan = deployment.plan();
            deployment.world.die_after(killed_after);
            let done = deployment.run(&plan);
            assert_eq!(
                done.is_ok(),
                killed_after == steps,
                "{name}, after {killed_after}"
            );
            assert!(deployment.world.revive());
            // The machine that was made in the lost one's place is there now.
            deployment.cloud.lost.clear();
            deployment.converge();
        }
    }
}

#[test]
fn a_failed_step_is_done_by_the_next_run() {
    let steps = Deployment::new().plan().actions().count();
    for failed in 0..steps {
        let mut deployment = Deployment::new();
        let plan = deployment.plan();
        deployment.world.fail_after(failed);
        deployment.run(&plan).expect_err("fails once");
        deployment.converge();
    }
}

#[test]
fn a_restart_is_healed_when_killed_between_write_and_restart() {
    let mut deployment = Deployment::up();
    deployment.set_kafka("num.io.threads", "4");
    let plan = deployment.plan();
    let writes = plan.stages[0].queues.values().map(Vec::len).sum();
    deployment.world.die_after(writes);
    deployment.run(&plan).expect_err("killed");
    deployment.world.revive();
    let restarts: Vec<String> = deployment
        .plan()
        .restarts
        .into_iter()
        .map(|restart| format!("{} {}", restart.node, restart.because))
        .collect();
    let because = "kafka.conf changed since it started";
    assert_eq!(
        restarts,
        [format!("vm2 {because}"), format!("vm3 {because}")]
    );
}

#[test]
fn every_single_thing_that_is_gone_is_made_again() {
    type Take = fn(&mut Facts, usize) -> bool;
    let takes: [(&str, Take); 4] = [
        ("file", |facts, index| {
            let Some(path) = facts.files.keys().nth(index).cloned() else {
                return false;
            };
            let inside = format!("{path}/");
            let gone = |other: &str| other == path || other.starts_with(&inside);
            facts.files.retain(|other, _| !gone(other));
            true
        }),
        ("package", |facts, index| {
            let name = facts.packages.iter().nth(index).cloned();
            name.is_some_and(|name| facts.packages.remove(&name))
        }),
        ("unit", |facts, index| {
            // The one that puts names back at boot does not run.
            let mut units = facts.units.values_mut().filter(|unit| unit.runs());
            units.nth(index).is_some_and(|unit| {
                unit.active = "inactive".into();
                unit.sub = "dead".into();
                true
            })
        }),
        ("manifest or hosts block", |facts, index| match index {
            0 => facts.manifest.take().is_some(),
            1 => facts.hosts_block.take().is_some(),
            _ => false,
        }),
    ];
    let nodes = ["vm1-1", "vm2", "vm3"];
    for (what, take) in takes {
        for node in nodes {
            for index in 0.. {
                let mut deployment = Deployment::up();
                let mut gone = false;
                deployment
                    .world
                    .edit(node, |facts| gone = take(facts, index));
                if !gone {
                    break;
                }
                deployment.destroy_data = nodes.map(str::to_owned).into();
                assert!(!deployment.plan().is_empty(), "{what} {index} of {node}");
                deployment.converge();
            }
        }
    }
}

#[test]
fn a_teardown_leaves_nothing_wherever_it_was_killed() {
    let fresh = Deployment::on_existing_hosts();
    let mut up = Deployment::on_existing_hosts();
    up.converge();
    let steps = plan::teardown(&up.manifests(), false).actions().count();
    for killed_after in 0..=steps {
        let mut deployment = Deployment::on_existing_hosts();
        deployment.converge();
        let plan = plan::teardown(&deployment.manifests(), false);
        deployment.world.die_after(killed_after);
        let _ = deployment.run(&plan);
        assert!(deployment.world.revive());
        let mut manifests = deployment.manifests();
        for node in deployment.topology.nodes.keys() {
            manifests
                .entry(node.clone())
                .or_insert_with(|| deployment.empty_manifest(node));
        }
        let plan = plan::teardown(&manifests, false);
        deployment.run(&plan).expect("runs");
        for node in deployment.topology.nodes.keys() {
            let mut facts = deployment.world.facts(node);
            assert!(!facts.packages.is_empty(), "packages stay");
            facts.packages.clear();
            assert_eq!(
                facts,
                fresh.world.facts(node),
                "{node}, killed after {killed_after}"
            );
        }
    }
}

#[test]
fn data_that_a_teardown_kept_is_there_for_the_next_up() {
    let mut deployment = Deployment::on_existing_hosts();
    deployment.converge();
    let plan = plan::teardown(&deployment.manifests(), true);
    deployment.run(&plan).expect("runs");
    let kept = deployment.world.facts("vm3");
    let path = "/var/lib/deployer/utilization/couchdb";
    assert!(kept.files.contains_key(path));
    assert!(
        kept.users.contains("utilization-couchdb"),
        "the data must have its owner"
    );
    assert!(kept.units.is_empty() && kept.ports.is_empty());
    let plan = deployment.plan();
    assert!(plan.losses.is_empty(), "{plan}");
    deployment.converge();
    let plan = plan::teardown(&deployment.manifests(), false);
    deployment.run(&plan).expect("runs");
    assert!(deployment.world.facts("vm3").files.is_empty());
}
