//! What the user is told before money is spent: the quota of virtual processors, prices, types that do not fit.

use std::collections::BTreeMap;

use deployer::cloud::Cloud as _;
use deployer::cloud::aws::check::Finding;
use deployer::cloud::aws::order::Order;
use deployer::cloud::aws::prices::{self, Prices};
use deployer::cloud::aws::quota::{self, Quota};
use deployer::cloud::aws::settings::Architecture;

use super::bench::{Bench, machine};
use super::limits::{Account, Advice, product};
use super::moto::Moto;
use super::proxy::Proxy;

async fn bench(moto: &Moto, account: Account, id: &str, nodes: &[&str]) -> Bench {
    let proxy = Proxy::start(moto.port).await;
    proxy.account(account);
    Bench::new(&proxy.url, "ca-central-1", id, nodes)
}

/// What `check` says of quota and prices.
async fn told(bench: &Bench) -> Vec<Finding> {
    let findings = bench.aws().check(&bench.wanted).await.expect("check");
    let about =
        |finding: &Finding| finding.what.contains("quota") || finding.what.contains("price");
    findings.into_iter().filter(about).collect()
}

#[tokio::test]
async fn too_many_processors_are_refused_before_anything_is_made() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let account = Account {
        limit: 5,
        ..Account::default()
    };
    let first = bench(&moto, account, "300000000000", &["vm1", "vm2"]).await;
    let plan = first.plan(&first.aws()).await.expect("four of five");
    insta::assert_snapshot!(plan.remarks.join("\n"), @"by AWS's price list: 2 × t3.small 0.0232 USD/h, 2 × public address 0.0050 USD/h, together 0.056 USD/h; 32 GiB of disk 2.82 USD/month, also while they are off; traffic and taxes, and vCPUs that are busy for hours, come on top");
    let findings = told(&first).await;
    assert_eq!(findings[0].what, "vCPU quota 5: 0 in use, 4 more wanted");
    assert!(
        findings
            .iter()
            .all(|finding| finding.problem.is_none() && !finding.unknown),
        "{findings:#?}"
    );
    first.up().await.expect("up");

    // What runs counts, whoever made it; nothing of the second is made.
    let second = bench(&moto, account, "300000000001", &["vm1"]).await;
    let error = second.up().await.expect_err("six of five").to_string();
    insta::assert_snapshot!(error, @r#"the account may run 5 vCPUs of standard instances in ca-central-1, 4 run and 2 more are wanted: ask for a higher quota of "Running On-Demand Standard instances" in Service Quotas (new accounts have little, and often get more within hours), end other machines, put the roles on fewer nodes, or set `instance_type: t2.small`, which has one vCPU"#);
    assert_eq!(
        second.aws().leftovers("300000000001").await.expect("look"),
        Vec::<String>::new()
    );
    let findings = told(&second).await;
    assert_eq!(findings[0].what, "vCPU quota 5: 4 in use, 2 more wanted");
    assert_eq!(findings[0].problem.as_ref(), Some(&error));

    // Machines that are there already are not asked for again.
    let again = first.plan(&first.aws()).await.expect("nothing to do");
    assert!(
        again.steps.is_empty() && again.remarks.is_empty(),
        "{again:?}"
    );
    let mut made = first;
    made.wanted.made = ["vm1".to_owned(), "vm2".to_owned()].into();
    assert_eq!(
        told(&made).await[0].what,
        "vCPU quota 5: 4 in use, 0 more wanted"
    );
}

#[tokio::test]
async fn quotas_of_new_accounts_are_told_before_anything_is_made() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    for (limit, fits) in [(1, false), (5, false), (32, true)] {
        let account = Account {
            limit,
            ..Account::default()
        };
        let nodes = ["vm1-1", "vm1-2", "vm2", "vm3"];
        let bench = bench(&moto, account, "300000000005", &nodes).await;
        let plan = bench.plan(&bench.aws()).await;
        assert_eq!(plan.is_ok(), fits, "{limit}: {plan:?}");
        let what = format!("vCPU quota {limit}: 0 in use, 8 more wanted");
        let findings = told(&bench).await;
        assert_eq!(
            (&findings[0].what, findings[0].problem.is_none()),
            (&what, fits)
        );
        if let Err(error) = plan {
            let error = error.to_string();
            assert!(error.contains("set `instance_type: t2.small`"), "{error}");
        }
    }
}

#[tokio::test]
async fn who_may_not_ask_is_told_so_and_not_stopped() {
    let Some(moto) = Moto::start(None, &[]) else {
        return;
    };
    let account = Account {
        limit: 5,
        advice: Advice::Denied,
        ..Account::default()
    };
    let bench = bench(&moto, account, "300000000002", &["vm1"]).await;
    let plan = bench.plan(&bench.aws()).await.expect("plan");
    insta::assert_snapshot!(plan.remarks.join("\n"), @r#"
    the vCPU quota is not known: GetServiceQuota: not for you; the policy of these credentials must allow `servicequotas:GetServiceQuota` (AccessDeniedException)
    prices are not known: GetProducts: not for you; the policy of these credentials must allow `pricing:GetProducts` (AccessDeniedException)
    "#);
    let findings = told(&bench).await;
    assert!(
        findings.len() == 2
            && findings
                .iter()
                .all(|finding| finding.unknown && finding.problem.is_none()),
        "{findings:#?}"
    );
    bench.up().await.expect("up");
    // Then EC2 itself says no, when some are there already; nothing of them is lost.
    let mut more = bench;
    let nodes = ["vm2", "vm3"].map(|node| (node.to_owned(), machine(node, 2048)));
    more.wanted.machines.extend(nodes);
    let error = more.up().await.expect_err("six of five").to_string();
    assert!(
        error.contains("VcpuLimitExceeded") && error.contains("set `instance_type: t2.small`"),
        "{error}"
    );
    let plan = more.plan(&more.aws()).await.expect("plan");
    assert!(plan.lost.is_empty() && plan.machines.len() == 2, "{plan:?}");
    more.takes_all_away().await;

    // A service that is not there is no answer, and stops nothing.
    let account = Account {
        advice: Advice::Nobody,
        ..Account::default()
    };
    let direct = self::bench(&moto, account, "300000000003", &["vm1"]).await;
    let plan = direct.plan(&direct.aws()).await.expect("plan");
    assert!(
        plan.remarks[0].starts_with("the vCPU quota is not known: GetServiceQuota: ")
            && plan.remarks[1].starts_with("prices are not known: GetProducts: "),
        "{:?}",
        plan.remarks
    );
}

#[tokio::test]
async fn types_that_do_not_fit_are_refused_before_anything_is_made() {
    let Some(moto) = Moto::shared() else { return };
    let url = Proxy::start(moto.port).await.url;
    let mut bench = Bench::new(&url, "ca-west-1", "300000000004", &["vm1"]);
    let mut refusal = async |instance_type: &str, architecture| {
        bench.settings.instance_type = Some(instance_type.into());
        bench.settings.architecture = architecture;
        bench.up().await.expect_err("does not fit").to_string()
    };
    assert_eq!(
        refusal("t4g.small", Architecture::X86).await,
        "`instance_type`: t4g.small is for arm64, `architecture` says x86_64"
    );
    assert_eq!(
        refusal("t3.nano", Architecture::X86).await,
        "`instance_type`: t3.nano has 512 MiB of memory, vm1 needs 2048 for its roles"
    );
    assert_eq!(
        refusal("t3.gigantic", Architecture::X86).await,
        "t3.gigantic is not offered in any usable zone, in no zone of this region: choose another `instance_type` or other `zones`"
    );
    assert_eq!(
        bench.aws().leftovers("300000000004").await.expect("look"),
        Vec::<String>::new()
    );
}

#[test]
fn only_what_a_quota_is_about_counts() {
    for counted in [
        "t3.small",
        "t4g.large",
        "m7i-flex.large",
        "c6gd.xlarge",
        "im4gn.large",
        "z1d.large",
    ] {
        assert!(quota::counts(counted), "{counted}");
    }
    for other in [
        "g5.xlarge",
        "p4d.24xlarge",
        "inf2.xlarge",
        "trn1.2xlarge",
        "mac2.metal",
        "dl1.24xlarge",
        "x2gd.large",
        "u-6tb1.metal",
        "hpc7g.4xlarge",
    ] {
        assert!(!quota::counts(other), "{other}");
    }
    let quota = Quota {
        limit: 8.0,
        used: 4,
    };
    assert_eq!(quota.refusal(4, "here"), None);
    assert!(quota.refusal(5, "here").is_some());
    // An account that is over its quota already may still have what it has.
    assert_eq!(
        Quota {
            limit: 1.0,
            used: 4
        }
        .refusal(0, "here"),
        None
    );
}

#[test]
fn no_price_is_guessed() {
    let one = [product("EU-BoxUsage:t3.small", &["0.0240000000"])];
    assert_eq!(prices::price(&one, ""), Some(0.024));
    assert_eq!(prices::price(&one, "InUseAddress"), None);
    assert_eq!(prices::price(&[], ""), None);
    let graded = [product(
        "EU-BoxUsage:t3.small",
        &["0.0240000000", "0.0200000000"],
    )];
    assert_eq!(prices::price(&graded, ""), None);
    let yuan = [r#"{"terms": {"OnDemand": {"a": {"priceDimensions": {"b": {"pricePerUnit": {"CNY": "1.0"}}}}}}}"#.to_owned()];
    assert_eq!(prices::price(&yuan, ""), None);
    assert_eq!(prices::price(&["not JSON".to_owned()], ""), None);

    let order = Order {
        types: BTreeMap::from([("t3.micro".to_owned(), 2), ("t3.small".to_owned(), 1)]),
        addresses: 0,
    };
    let known = Prices {
        machines: BTreeMap::from([("t3.micro".to_owned(), 0.012)]),
        ..Prices::default()
    };
    // Without one of the prices there is no sum.
    insta::assert_snapshot!(prices::words(&order, 16, &known).expect("words"), @r#"by AWS's price list: 2 × t3.micro 0.0120 USD/h, 1 × t3.small not in the list; 48 GiB of disk not in the list; traffic and taxes, and vCPUs that are busy for hours, come on top"#);
    assert_eq!(prices::words(&order, 16, &Prices::default()), None);
}
