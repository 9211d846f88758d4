//! `up` and `teardown` die at every call, before it is done and after it is done with its answer lost. Each time the next `up`
//! ends with one machine for each node, and a teardown with nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use deployer::cloud::Cloud as _;

use super::bench::Bench;
use super::moto::Moto;
use super::proxy::Proxy;

const NODES: [&str; 2] = ["vm1", "vm2"];

/// Runs something until it ends or dies; whether it died.
async fn dies(proxy: &Proxy, run: impl Future<Output = ()>) -> bool {
    tokio::select! {
        () = proxy.killed() => true,
        () = run => false,
    }
}

async fn machines(bench: &Bench) -> (usize, BTreeSet<String>) {
    let found = bench.aws().deployments().await.expect("deployments");
    let ours = found.into_iter().find(|found| found.id == bench.wanted.id);
    ours.map_or_else(Default::default, |found| {
        (
            found
                .things
                .iter()
                .filter(|thing| thing.starts_with("machine"))
                .count(),
            found.nodes,
        )
    })
}

/// Kills at call after call; the table of what happened.
async fn enumerate(moto: u16, region: &str, teardown: bool, step: usize) -> String {
    let mut table = String::new();
    let verb = if teardown { "teardown" } else { "up" };
    for before in [true, false] {
        for n in (0..).step_by(step) {
            let proxy = Proxy::start(moto).await;
            let id = format!("{:08x}{n:04x}", u32::from(before) + 2 * u32::from(teardown));
            let bench = Bench::new(&proxy.url, region, &id, &NODES);
            if teardown {
                bench.up().await.expect("up");
            }
            proxy.kill_at(n, before);
            let died = if teardown {
                dies(&proxy, async {
                    drop(bench.teardown().await.expect("teardown"));
                })
                .await
            } else {
                dies(&proxy, async { drop(bench.up().await.expect("up")) }).await
            };
            let calls = proxy.take_calls();
            let call = calls
                .get(n)
                .map(|call| call.action.clone())
                .unwrap_or_default();
            proxy.spare();
            if died && !teardown {
                bench.up().await.unwrap_or_else(|error| {
                    panic!("up after {verb} died at call {n} {call}: {error}")
                });
            }
            if !teardown {
                let (count, nodes) = machines(&bench).await;
                assert_eq!(
                    (count, nodes.len()),
                    (2, 2),
                    "{verb} died at call {n} {call}"
                );
                let plan = bench.plan(&bench.aws()).await.expect("plan");
                assert!(
                    plan.steps.is_empty(),
                    "{verb} died at call {n} {call}: {:?}",
                    plan.steps
                );
            }
            let left = bench.teardown().await.unwrap_or_else(|error| {
                panic!("teardown after {verb} died at call {n} {call}: {error}")
            });
            assert_eq!(left, Vec::<String>::new(), "{verb} died at call {n} {call}");
            if !died {
                break;
            }
            let when = if before { "before" } else { "after" };
            let _ = writeln!(
                table,
                "{verb:8} dies {when:6} call {n:2} {call:32} left at the end: 0"
            );
        }
    }
    table
}

fn step() -> usize {
    // The whole matrix is for `.ci/run full`.
    if std::env::vars().any(|(key, _)| key == "DEPLOYER_TEST_FULL") {
        1
    } else {
        5
    }
}

#[tokio::test]
async fn up_dies_at_every_call() {
    let Some(moto) = Moto::shared() else { return };
    let table = enumerate(moto.port, "ap-southeast-1", false, step()).await;
    println!("{table}");
    assert!(table.lines().count() >= 50 / step(), "{table}");
}

#[tokio::test]
async fn teardown_dies_at_every_call() {
    let Some(moto) = Moto::shared() else { return };
    let table = enumerate(moto.port, "ap-southeast-2", true, step()).await;
    println!("{table}");
    assert!(table.lines().count() >= 40 / step(), "{table}");
}
