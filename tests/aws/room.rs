//! Machines that AWS has no room for, and machines that die before they run.

use std::sync::Arc;

use super::bench::words;
use super::faults::bench;
use super::proxy::{Call, Fault};

#[tokio::test]
async fn a_machine_that_finds_no_room_when_it_is_started_keeps_its_data() {
    let Some((proxy, bench)) = bench("us-east-2", "10000000000f", &["vm1"]).await else {
        return;
    };
    let made = bench.up().await.expect("up");
    let ec2 = super::census::client(&proxy.url, "us-east-2");
    let stop = ec2.stop_instances().instance_ids(&made["vm1"].id).send();
    stop.await.expect("stopped");
    proxy.take_calls();
    proxy.refuse("StartInstances", 1, 500, "InsufficientInstanceCapacity");
    let error = bench.up().await.expect_err("no room").to_string();
    assert!(
        error.starts_with(&format!(
            "vm1: AWS has no room for {} in its zone now",
            made["vm1"].id
        )),
        "{error}"
    );
    let counts = proxy.take_counts();
    assert_eq!(counts.get("StartInstances"), Some(&1), "{counts:?}");
    assert!(!counts.contains_key("TerminateInstances"), "{counts:?}");
    bench.up().await.expect("later there is room");
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_machine_that_died_of_its_zone_is_made_in_another() {
    for (id, code) in [
        ("100000000010", "Server.InsufficientInstanceCapacity"),
        ("100000000011", "Server.InternalError"),
    ] {
        let Some((proxy, bench)) = bench("us-west-2", id, &["vm1"]).await else {
            return;
        };
        let plan = bench.plan(&bench.aws()).await.expect("plan");
        let die = move |_: &Call, answer: String| {
            let reason = format!(
                "<name>terminated</name></instanceState><stateReason><code>{code}</code><message>no room</message></stateReason>"
            );
            answer
                .replacen("<name>running</name>", &reason, 1)
                .replacen(
                    "</stateReason>\n                    </instanceState>",
                    "</stateReason>",
                    1,
                )
        };
        proxy.fault("DescribeInstances", 1, Fault::Edit(Arc::new(die)));
        bench
            .run(&bench.aws(), &plan.steps, false)
            .await
            .expect("elsewhere");
        let said = bench.lines.0.lock().expect("lines").join("\n");
        assert!(
            said.contains("no room in us-west-2a: ") && said.contains("in us-west-2b"),
            "{said}"
        );
        bench.takes_all_away().await;
    }
}

#[tokio::test]
async fn a_full_zone_leads_to_the_next_one() {
    let Some((proxy, mut bench)) = bench("us-west-2", "100000000006", &["vm1", "vm2"]).await else {
        return;
    };
    bench.settings.zones = vec![
        "us-west-2b".into(),
        "us-west-2a".into(),
        "us-west-2c".into(),
    ];
    proxy.refuse("RunInstances", 2, 500, "InsufficientInstanceCapacity");
    bench.up().await.expect("up");
    let said = bench.lines.0.lock().expect("lines").join("\n");
    assert!(
        said.contains("asks for a t3.small in us-west-2b")
            && said.contains("asks for a t3.small in us-west-2a"),
        "{said}"
    );
    let calls = proxy.take_calls();
    assert_eq!(
        calls
            .iter()
            .filter(|call| call.action == "CreateSubnet")
            .count(),
        2,
        "one more subnet for both machines"
    );
    let launches = calls.iter().filter(|call| call.action == "RunInstances");
    assert_eq!(launches.count(), 4, "a full zone is asked once");
    bench.is_settled().await;
    bench.takes_all_away().await;

    let Some((proxy, mut bench)) =
        super::faults::bench("us-west-2", "100000000007", &["vm1"]).await
    else {
        return;
    };
    bench.settings.zones = vec!["us-west-2b".into(), "us-west-2a".into()];
    proxy.refuse("RunInstances", 2, 500, "InsufficientInstanceCapacity");
    let error = bench.up().await.expect_err("full").to_string();
    assert_eq!(
        error,
        "vm1: AWS has no room for another t3.small in us-west-2b, us-west-2a: try later, or another `instance_type` or more `zones`"
    );
    bench.up().await.expect("later there is room");
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_machine_that_dies_says_why() {
    let Some((proxy, bench)) = bench("ca-central-1", "100000000008", &["vm1"]).await else {
        return;
    };
    let die = |_: &_, answer: String| {
        answer.replace("<code>16</code><name>running</name>", "<code>48</code><name>terminated</name>")
            .replace("<code>16</code>", "<code>48</code>")
            .replace("<name>running</name>", "<name>terminated</name>")
            .replace("</instanceState>", "</instanceState><stateReason><code>Client.InternalError</code><message>the disk's key is gone</message></stateReason>")
    };
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    proxy.fault("DescribeInstances", 1, Fault::Edit(Arc::new(die)));
    let error = bench
        .run(&bench.aws(), &plan.steps, false)
        .await
        .expect_err("dies")
        .to_string();
    assert!(
        error.contains("died before it ran: Client.InternalError: the disk's key is gone; if the account encrypts")
            && error.contains("kms:CreateGrant"),
        "{error}"
    );
    // It never ran, so nothing is lost; here it lives after all and is taken.
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert!(plan.lost.is_empty(), "{}", words(&plan));
    bench.takes_all_away().await;
}
