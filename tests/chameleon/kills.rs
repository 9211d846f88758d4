//! `up` and `teardown` die at calls that change something (at every one in `.ci/run full`), before it is done and after it is done with
//! its answer lost: what dies between is seen by the site as one that dies before the next. Each time the next `up` ends with one
//! machine for each node, and a teardown with nothing.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use deployer::cloud::Cloud as _;
use deployer::cloud::chameleon::{Chameleon, Settings};

use super::bench::{Deployment, words};
use super::openstack::{OpenStack, pace, settings, turn};
use super::proxy::{Fault, Proxy};

const NODES: [&str; 2] = ["vm1", "vm2"];

/// Alice's project, seen through the proxy; a new process each time.
pub(crate) fn behind(openstack: &OpenStack, proxy: &Proxy) -> Chameleon {
    behind_with(openstack, proxy, settings())
}

fn behind_with(openstack: &OpenStack, proxy: &Proxy, settings: Settings) -> Chameleon {
    let mut login = openstack.login("alice");
    login.auth_url = proxy.before(&login.auth_url);
    Chameleon::new(login, settings, pace()).expect("a client")
}

/// With all kinds of things there are: a network of its own, and an address for a broker that a host elsewhere must reach.
fn deployment(id: &str) -> Deployment {
    let mut demo = Deployment::new(id, &NODES);
    let broker = demo.wanted.machines.get_mut("vm2").expect("vm2");
    broker.open = true;
    let laptop = Ipv4Addr::new(192, 0, 2, 9);
    demo.wanted.outside.insert("laptop".into(), laptop);
    demo.wanted.outside_ports.insert(9092);
    demo
}

/// Runs something until it ends or dies; whether it died.
async fn dies(proxy: &Proxy, run: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = proxy.killed() => true,
        () = run => false,
    }
}

/// Kills at every `step`-th call, before it is done and after; the table of what happened.
async fn enumerate(openstack: &OpenStack, teardown: bool, step: usize) -> String {
    let mut table = String::new();
    let verb = if teardown { "teardown" } else { "up" };
    for before in [true, false] {
        for n in (usize::from(before)..).step_by(step) {
            let proxy = Proxy::start().await;
            let settings = Settings {
                network: "own".into(),
                ..settings()
            };
            let cloud = || behind_with(openstack, &proxy, settings.clone());
            let id = format!(
                "{:08x}{n:04x}",
                0xb0 + u32::from(before) + 2 * u32::from(teardown)
            );
            let demo = deployment(&id);
            if teardown {
                demo.up(&cloud()).await.expect("up");
            }
            proxy.kill_at(n, before);
            let first = cloud();
            let died = dies(&proxy, async {
                if teardown {
                    demo.teardown(&first).await.expect("teardown");
                } else {
                    demo.up(&first).await.expect("up");
                }
            })
            .await;
            let calls = proxy.take_calls();
            let mut changing = calls.into_iter().filter(|call| !call.starts_with("GET"));
            let call = changing.nth(n).unwrap_or_default();
            proxy.spare();
            let at = format!("{verb} died at call {n} {call}");
            if !teardown {
                if died {
                    demo.up(&cloud())
                        .await
                        .unwrap_or_else(|error| panic!("up after {at}: {error}"));
                }
                let plan = demo.plan(&cloud()).await.expect("plan");
                assert!(plan.steps.is_empty(), "{at}: {}", words(&plan));
                assert!(plan.orphans.is_empty(), "{at}: {}", words(&plan));
                assert_eq!(plan.machines.len(), NODES.len(), "{at}");
            }
            let left = demo.teardown(&cloud()).await;
            let left = left.unwrap_or_else(|error| panic!("teardown after {at}: {error}"));
            assert_eq!(left, Vec::<String>::new(), "{at}");
            // Nobody else's look finds anything, either.
            let found = openstack.cloud("bob").deployments().await.expect("list");
            assert!(found.iter().all(|found| found.id != id), "{at}: {found:?}");
            if !died {
                break;
            }
            let when = if before { "before" } else { "after" };
            let _ = writeln!(table, "{verb:8} dies {when:6} call {n:2} {call:60} left: 0");
        }
    }
    table
}

fn step() -> usize {
    // The whole matrix is for `.ci/run full`.
    if std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL") {
        1
    } else {
        6
    }
}

#[tokio::test]
async fn up_dies_at_calls() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let _turn = turn().await;
    let table = enumerate(openstack, false, step()).await;
    eprintln!("{table}");
    assert!(table.lines().count() >= 16 / step(), "{table}");
}

/// The site lists a lease some time after it was asked for it, and who asked is dead by then: no second one is asked for, and what
/// takes all away does not say that nothing is left before the lease is there.
#[tokio::test]
async fn a_lease_comes_after_the_death_of_who_asked_for_it() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let each = async |id: &str, up: bool| {
        let demo = Deployment::new(id, &["vm1"]);
        let proxy = Proxy::start().await;
        let later = Fault::DieAndDoLater(Duration::from_secs(4));
        proxy.fault("POST", "/leases", 1, later);
        let first = behind(openstack, &proxy);
        let died = dies(&proxy, async {
            let _dies_before = demo.up(&first).await;
        });
        assert!(died.await);
        let cloud = openstack.cloud("alice");
        if up {
            demo.up(&cloud).await.expect("up");
            let found = openstack.cloud("bob").deployments().await.expect("list");
            let ours = found.iter().find(|found| found.id == id);
            let things = &ours.expect("it is listed").things;
            let leases = things.iter().filter(|thing| thing.starts_with("lease"));
            assert_eq!(
                leases.count(),
                2,
                "for a machine and its address: {things:?}"
            );
        }
        let left = demo.teardown(&cloud).await.expect("teardown");
        assert_eq!(left, Vec::<String>::new());
        tokio::time::sleep(Duration::from_secs(5)).await;
        let found = openstack.cloud("bob").deployments().await.expect("list");
        assert!(found.iter().all(|found| found.id != id), "{found:?}");
    };
    tokio::join!(each("f00000000001", true), each("f00000000002", false));
}

#[tokio::test]
async fn teardown_dies_at_calls() {
    let Some(openstack) = OpenStack::shared() else {
        return;
    };
    let _turn = turn().await;
    let table = enumerate(openstack, true, step()).await;
    eprintln!("{table}");
    assert!(table.lines().count() >= 8 / step(), "{table}");
}
