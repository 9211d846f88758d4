//! What may have documents is kept: a machine in a state that nobody knows, a disk that hangs on no machine of ours.

use std::sync::Arc;

use deployer::cloud::Cloud as _;

use super::bench::{Bench, words};
use super::census::{by_hand, client};
use super::limits::Account;
use super::moto::Moto;
use super::proxy::{Call, Fault, Proxy};

/// AWS has a new word for how a machine is.
fn strange(answer: &str) -> String {
    answer.replace("<name>running</name>", "<name>dreaming</name>")
}

/// AWS says nothing of how it is.
fn silent(answer: &str) -> String {
    answer.replace("<name>running</name>", "")
}

#[tokio::test]
async fn a_machine_in_a_state_that_nobody_knows_is_there() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "me-south-1", "510000000000", &["vm1", "vm2"]);
    let made = bench.up().await.expect("up");
    bench.wanted.machines.remove("vm2");
    bench.wanted.prune = true;
    for edit in [strange, silent] {
        let edit = move |_: &Call, answer: String| edit(&answer);
        proxy.fault("DescribeInstances", 100, Fault::Edit(Arc::new(edit)));
        let plan = bench.plan(&bench.aws()).await.expect("plan");
        assert!(plan.lost.is_empty(), "{}", words(&plan));
        let text = words(&plan);
        let id = &made["vm1"].id;
        assert!(text.contains(&format!("wait for {id}")), "{text}");
        assert!(!text.contains("RunInstances"), "{text}");
        // What nobody wants goes only with a word about its data.
        let away = plan.steps.iter();
        let away = away.filter(|step| step.words.contains("TerminateInstances"));
        let loses: Vec<Option<&str>> = away.map(|step| step.loses.as_deref()).collect();
        assert!(
            matches!(loses[..], [Some(loses)] if loses.starts_with("all data of vm2 (i-")),
            "{loses:?}"
        );
        let all = bench.aws().plan(&bench.want(true)).await.expect("plan");
        assert!(
            all.steps[0].loses.is_some() && !words(&all).contains("disk vol-"),
            "{}",
            words(&all)
        );
        proxy.spare_all();
    }
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_disk_that_hangs_on_no_machine_stays_until_its_loss_is_said() {
    let Some(moto) = Moto::shared() else { return };
    let (region, id) = ("me-central-1", "510000000001");
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, region, id, &["vm1", "vm2"]);
    // This region has none of the Free plan's.
    proxy.account(Account {
        free: false,
        ..Account::default()
    });
    bench.settings.instance_type = Some("m5.large".into());
    bench.up().await.expect("up");
    // Somebody took a disk off a machine, to save what is on it.
    let disk = made_disk(moto.port, region, id).await;
    bench.wanted.machines.remove("vm2");
    bench.wanted.prune = true;
    bench.up().await.expect("vm2 goes");
    let counts = proxy.take_counts();
    assert!(!counts.contains_key("DeleteVolume"), "{counts:?}");
    let left = bench.aws().leftovers(id).await.expect("look");
    assert!(left.contains(&format!("disk {disk}")), "{left:?}");

    let plan = bench.aws().plan(&bench.want(true)).await.expect("plan");
    let step = plan.steps.iter().find(|step| step.words.contains(&disk));
    let loses = step.expect("it goes with all").loses.as_deref();
    assert_eq!(loses, Some(format!("all data on the disk {disk}").as_str()));
    bench.takes_all_away().await;
}

#[tokio::test]
async fn a_machine_that_a_killed_up_made_is_missed_when_it_is_gone() {
    let Some(moto) = Moto::shared() else { return };
    let (region, id) = ("ap-southeast-4", "510000000002");
    let proxy = Proxy::start(moto.port).await;
    let bench = Bench::new(&proxy.url, region, id, &["vm1"]);
    // The first `up` dies before it sees the machine run; the second one finds it running and fills it.
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    proxy.fault("DescribeInstances", 1, Fault::LoseAnswer);
    proxy.refuse("DescribeInstances", 1, 400, "Blocked");
    let died = bench.run(&bench.aws(), &plan.steps, false).await;
    died.expect_err("it dies");
    let made = bench.up().await.expect("up");
    bench
        .made
        .lock()
        .expect("made")
        .extend(made.keys().cloned());
    let ec2 = client(&moto.url(), region);
    let ended = ec2
        .terminate_instances()
        .instance_ids(&made["vm1"].id)
        .send();
    ended.await.expect("ended by hand");
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    assert_eq!(plan.lost, ["vm1".to_owned()].into(), "{}", words(&plan));
    bench.takes_all_away().await;
}

#[tokio::test]
async fn another_region_is_not_taken_for_nothing() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Proxy::start(moto.port).await;
    let mut bench = Bench::new(&proxy.url, "me-south-1", "510000000003", &["vm1"]);
    bench.up().await.expect("up");
    bench.region = "eu-west-1".into();
    for nothing in [false, true] {
        let plan = bench.aws().plan(&bench.want(nothing)).await;
        let error = plan.expect_err("another region").to_string();
        assert!(
            error.starts_with(
                "the deployment is in the AWS region me-south-1, and eu-west-1 is set now"
            ),
            "{error}"
        );
    }
    bench.region = "me-south-1".into();
    bench.takes_all_away().await;
}

/// A disk with our tag: our client of EC2 has no such call.
pub(crate) async fn made_disk(port: u16, region: &str, id: &str) -> String {
    let body = format!(
        "Action=CreateVolume&AvailabilityZone={region}a&Size=16\
         &TagSpecification.1.ResourceType=volume&TagSpecification.1.Tag.1.Key=deployer%3Aid&TagSpecification.1.Tag.1.Value={id}"
    );
    let text = by_hand(port, region, &body).await;
    let id = text.split("<volumeId>").nth(1).expect("a disk");
    id.split('<').next().expect("its id").to_owned()
}
