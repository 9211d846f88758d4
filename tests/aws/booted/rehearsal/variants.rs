//! What is rehearsed only where it is asked for: in a VPC of the user's, in a second region, and on arm64.

use std::time::{Duration, Instant};

use deployer::cloud::aws::tags::filter;
use rustix::process::{Pid, Signal, kill_process};

use super::{Hall, end, pipeline};
use crate::census::{census, client, open_vpc};
use crate::desk::says;

/// A VPC whose first subnet leads nowhere, and another region; each is taken away again, and the user's VPC is as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_vpc_of_the_users_and_a_second_region() {
    const SECOND: &str = "eu-south-2";
    let Some(hall) = Hall::new("eu-south-1").await else {
        return;
    };
    let vpc = open_vpc(&hall.ec2).await;
    let second = client(&hall.url, SECOND);
    let there = (hall.census().await, census(&second).await);
    let report = hall.desk.path("report.md");
    let asked = [
        "--yes",
        "--no-power-off",
        "--vpc",
        &vpc,
        "--second-region",
        SECOND,
    ];
    let code = end(hall.begin(&report, &asked)).await;
    let text = std::fs::read_to_string(&report).expect("a report");
    // A stage keeps nothing that is written: that is seen, and nothing else is otherwise than it should be.
    assert_eq!(code, Some(1), "{text}\n{}", hall.said());
    says(
        &hall.said(),
        &[
            "not as it should be: 6/17 rehearse: look whether anything is left to do",
            "not as it should be: 7/17 rehearse: look whether all is well",
            "all is taken away",
        ],
    );
    assert_eq!(hall.said().matches("not as it should be: ").count(), 2);
    says(
        &text,
        &[
            "/17 rehearse-vpc: from nothing to documents | as it should: exit code 0",
            "/17 rehearse-region: from nothing to documents | as it should: exit code 0",
            "\nNothing is left. (20",
        ],
    );
    assert_eq!((hall.census().await, census(&second).await), there);
}

/// Without agents for it nothing is made. An image and a machine of that architecture are asked for where none is needed; nothing
/// here runs its programs, so that Ctrl-C ends it then.
#[tokio::test(flavor = "multi_thread")]
async fn another_architecture() {
    const REGION: &str = "ap-south-1";
    let Some(mut hall) = Hall::new(REGION).await else {
        return;
    };
    let there = hall.census().await;
    let asked = ["--yes", "--no-power-off", "--arm64"];
    let refused = hall.desk.path("refused.md");
    let staged = std::mem::take(&mut hall.file);
    let inventory = pipeline(&hall.proxy.url, REGION);
    hall.file = hall.desk.write("pipeline.yaml", &inventory);
    let code = end(hall.begin(&refused, &asked)).await;
    let words = [
        "the agent binaries are for x86_64",
        "`deployer build-agents --target aarch64`",
    ];
    says(&hall.said(), &words);
    assert_eq!(code, Some(1), "{}", hall.said());
    let text = std::fs::read_to_string(&refused).expect("a report");
    let untried = "die while AWS answers | not tried: `arm64, with CouchDB` had failed |";
    says(
        &text,
        &[
            untried,
            "rehearse-arm: from nothing to documents | not tried",
        ],
    );
    assert_eq!(hall.census().await, there);

    hall.file = staged;
    let report = hall.desk.path("report.md");
    let child = hall.begin(&report, &asked);
    hall.until(&report, "rehearse-arm: from nothing to documents")
        .await;
    let start = Instant::now();
    let machines = loop {
        let alive = filter("instance-state-name", "running");
        let seen = hall.ec2.describe_instances().filters(alive).send().await;
        let seen = seen.expect("machines").reservations.unwrap_or_default();
        let seen = seen.into_iter().filter_map(|one| one.instances);
        let machines: Vec<_> = seen.flatten().collect();
        if !machines.is_empty() {
            break machines;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{}", hall.said());
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    for machine in &machines {
        assert_eq!(machine.image_id(), Some("ami-0bookwormarm0001"));
        let kind = machine
            .instance_type()
            .map(aws_sdk_ec2::types::InstanceType::as_str);
        assert_eq!(kind, Some("t4g.small"));
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), Signal::INT).expect("a signal");
    assert_eq!(end(child).await, Some(130), "{}", hall.said());
    let text = std::fs::read_to_string(&report).expect("a report");
    says(&text, &["Nothing is left."]);
    assert_eq!(hall.census().await, there, "{}", hall.said());
}
