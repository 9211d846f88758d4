//! The local cloud on this very box.

use std::time::Instant;

use crate::support::{Deployment, gone, may_run};

#[tokio::test(flavor = "multi_thread")]
async fn three_machines_come_up_and_go_without_a_trace() {
    if !may_run("three_machines_come_up_and_go_without_a_trace") {
        return;
    }
    let deployment = Deployment::new(&["vm1-1", "vm2", "vm3"]);
    let image = deployment.plan().await;
    for step in &image.steps {
        println!("{}", step.words);
    }
    let started = Instant::now();
    let machines = deployment.up().await;
    println!("made in {:?}", started.elapsed());
    for machine in machines.values() {
        assert_eq!(deployment.reach(machine, &["hostname"]), machine.node);
    }
    println!("answering in {:?}", started.elapsed());
    for machine in machines.values() {
        assert_eq!(
            deployment.reach(machine, &["systemctl", "is-system-running", "--wait"]),
            "running"
        );
    }
    println!("running in {:?}", started.elapsed());
    let started = Instant::now();
    deployment.down().await;
    println!("gone in {:?}", started.elapsed());
    gone(&deployment.wanted.id);
}

/// Makes the image that others on this box may reuse.
#[tokio::test]
#[ignore = "not a test"]
async fn warm() {
    use deployer::cloud::{Cloud, Progress};
    struct Loud;
    impl Progress for Loud {
        fn line(&self, _node: Option<&str>, line: &str) {
            println!("{line}");
        }
    }
    let mut deployment = Deployment::new(&["vm1"]);
    let packages = [
        "openjdk-17-jre-headless",
        "nodejs",
        "procps",
        "nftables",
        "libicu72",
    ];
    deployment.wanted.packages = packages.iter().map(ToString::to_string).collect();
    for step in deployment.plan().await.steps {
        if step.stage == "image" {
            deployment
                .local
                .apply(&deployment.wanted, &step, &Loud)
                .await
                .expect("image");
        }
    }
}
