//! Plans as a reader sees them, from data alone.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use deployer::cloud::aws::notes::{Attempt, note};
use deployer::cloud::aws::observed::{
    Gateway, Group, Instance, Observed, RouteTable, State, Subnet, Thing,
};
use deployer::cloud::aws::operation::Operation;
use deployer::cloud::aws::plan::plan;
use deployer::cloud::aws::rules::Rule;
use deployer::cloud::aws::settings::{Architecture, Image, Settings, Ttl};
use deployer::cloud::aws::view::{Catalog, View};
use deployer::cloud::aws::{tags, user_data};
use deployer::cloud::ends::power_off;
use deployer::cloud::{CloudPlan, Wanted};
use deployer::topology::CloudName;
use jiff::Timestamp;

use super::bench::{machine, settings, wanted, words};

const ID: &str = "0123456789ab";

fn now() -> Timestamp {
    "2026-11-21T10:00:30Z".parse().expect("time")
}

fn catalog() -> Catalog {
    let zones = || vec!["eu-central-1a".to_owned(), "eu-central-1b".to_owned()];
    Catalog {
        image: "ami-1".into(),
        root_device: "/dev/sda1".into(),
        offers: BTreeMap::from([
            ("t3.small".to_owned(), zones()),
            ("t3.micro".to_owned(), zones()),
        ]),
        ..Catalog::default()
    }
}

fn planned(
    wanted: &Wanted,
    settings: &Settings,
    observed: &Observed,
    catalog: &Catalog,
) -> CloudPlan {
    plan(&View {
        wanted,
        settings,
        observed,
        catalog,
        now: now(),
    })
    .expect("plan")
}

fn instance(node: &str, state: State, expires: &str) -> Instance {
    let tags = [(tags::ID, ID), (tags::NODE, node), (tags::EXPIRES, expires)];
    Instance {
        id: format!("i-{node}"),
        tags: tags
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        state,
        reason: None,
        private: Some(Ipv4Addr::new(10, 77, 0, 5)),
        public: Some(Ipv4Addr::new(203, 0, 113, 5)),
        vpc: Some("vpc-1".into()),
        zone: Some("eu-central-1a".into()),
        launched: Some(now()),
        tells: false,
        profile: None,
    }
}

/// A network as it should be.
fn network() -> Observed {
    let tags = BTreeMap::from([(tags::ID.to_owned(), ID.to_owned())]);
    Observed {
        groups: vec![Group {
            id: "sg-1".into(),
            tags: tags.clone(),
            vpc: "vpc-1".into(),
            rules: [
                Rule::members(),
                Rule::tcp(22, "192.0.2.1/32".parse().expect("range")),
            ]
            .into(),
            out: [Rule::everywhere()].into(),
        }],
        route_tables: vec![RouteTable {
            id: "rtb-1".into(),
            tags: tags.clone(),
            vpc: "vpc-1".into(),
            main: false,
            subnets: ["subnet-1".to_owned()].into(),
            default: Some(("igw-1".into(), true)),
        }],
        subnets: vec![Subnet {
            id: "subnet-1".into(),
            tags: tags.clone(),
            vpc: "vpc-1".into(),
            zone: "eu-central-1a".into(),
            cidr: "10.77.0.0/20".into(),
            free: 4000,
            open: false,
            routed: false,
        }],
        vpcs: vec![Thing {
            id: "vpc-1".into(),
            tags: tags.clone(),
        }],
        gateways: vec![Gateway {
            id: "igw-1".into(),
            tags: tags.clone(),
            vpc: Some("vpc-1".into()),
        }],
        keys: vec![Thing {
            id: "deployer-0123456789ab".into(),
            tags,
        }],
        ..Observed::default()
    }
}

const LATER: &str = "2026-11-21T21:00:00Z";

#[test]
fn an_empty_account() {
    let mut wanted = wanted(ID, &["vm1"]);
    wanted
        .machines
        .insert("client1".into(), machine("client1", 1024));
    wanted
        .outside
        .insert("laptop".into(), Ipv4Addr::new(203, 0, 113, 7));
    wanted.outside_ports = [9092].into();
    insta::assert_snapshot!(words(&planned(
        &wanted,
        &settings(),
        &Observed::default(),
        &catalog()
    )));
}

#[test]
fn nothing_to_do() {
    let observed = Observed {
        instances: vec![instance("vm1", State::Running, LATER)],
        ..network()
    };
    insta::assert_snapshot!(words(&planned(
        &wanted(ID, &["vm1"]),
        &settings(),
        &observed,
        &Catalog::default()
    )));
}

#[test]
fn machines_that_are_off_on_their_way_lost_or_unwanted() {
    let mut wanted = wanted(ID, &["vm1", "vm2", "vm3", "vm4"]);
    let attempt = Attempt {
        number: 3,
        zone: "eu-central-1a".into(),
        image: "ami-1".into(),
        instance_type: "t3.small".into(),
        expires: None,
        noted: now(),
        instance: Some("i-gone".into()),
        ran: true,
    };
    wanted.notes.insert(
        note::launch("vm3"),
        serde_json::to_string(&attempt).expect("json"),
    );
    let mut second = instance("vm1", State::Running, LATER);
    second.id = "i-second".into();
    second.launched = LATER.parse().ok();
    let observed = Observed {
        instances: vec![
            instance("vm1", State::Stopped, LATER),
            second,
            instance("vm2", State::Pending, LATER),
            instance("vm3", State::Terminated, LATER),
            instance("old", State::Running, LATER),
        ],
        ..network()
    };
    insta::assert_snapshot!(words(&planned(&wanted, &settings(), &observed, &catalog())));
    wanted.prune = true;
    insta::assert_snapshot!(
        "and_pruned",
        words(&planned(&wanted, &settings(), &observed, &catalog()))
    );
}

#[test]
fn a_network_changed_by_hand() {
    let mut observed = Observed {
        instances: vec![instance("vm1", State::Running, LATER)],
        ..network()
    };
    observed.route_tables[0].default = Some(("igw-1".into(), false));
    observed.route_tables[0].subnets.clear();
    observed.gateways[0].vpc = None;
    observed.groups[0].rules = [Rule::tcp(5984, "0.0.0.0/0".parse().expect("range"))].into();
    let ways_out = [
        Rule::tcp(443, "198.51.100.0/24".parse().expect("range")),
        Rule::everywhere6(),
    ];
    observed.groups[0].out = ways_out.into();
    insta::assert_snapshot!(words(&planned(
        &wanted(ID, &["vm1"]),
        &settings(),
        &observed,
        &Catalog::default()
    )));
}

#[test]
fn a_teardown_takes_all_that_is_ours() {
    let mut nothing = wanted(ID, &[]);
    nothing.machines.clear();
    let observed = Observed {
        instances: vec![
            instance("vm1", State::Running, LATER),
            instance("vm2", State::ShuttingDown, LATER),
        ],
        interfaces: vec![Thing {
            id: "eni-1".into(),
            ..Thing::default()
        }],
        ..network()
    };
    insta::assert_snapshot!(words(&planned(
        &nothing,
        &settings(),
        &observed,
        &Catalog::default()
    )));
    let users = Subnet {
        id: "subnet-of-the-user".into(),
        ..Subnet::default()
    };
    let observed = Observed {
        subnets: vec![users],
        ..Observed::default()
    };
    assert_eq!(
        words(&planned(
            &nothing,
            &settings(),
            &observed,
            &Catalog::default()
        )),
        ""
    );
}

#[test]
fn time_is_renewed_below_half_and_never_when_never() {
    let plan_with = |expires: &str, ttl: &str| {
        let settings = Settings {
            ttl: Ttl::try_from(ttl.to_owned()).expect("ttl"),
            ..settings()
        };
        let observed = Observed {
            instances: vec![instance("vm1", State::Running, expires)],
            ..network()
        };
        words(&planned(
            &wanted(ID, &["vm1"]),
            &settings,
            &observed,
            &Catalog::default(),
        ))
    };
    let renewed = "[ttl] let the machines live until 2026-11-21T22:00:00Z (CreateTags)\nruns: vm1 i-vm1\nexpires: 2026-11-21T22:00:00Z";
    assert_eq!(plan_with("2026-11-21T15:59:00Z", "12h"), renewed);
    assert_eq!(
        plan_with("2026-11-21T16:01:00Z", "12h"),
        "runs: vm1 i-vm1\nexpires: 2026-11-21T16:01:00Z"
    );
    assert_eq!(plan_with("2026-11-20T00:00:00Z", "12h"), renewed);
    assert_eq!(plan_with("never", "12h"), renewed);
    assert_eq!(plan_with("never", "never"), "runs: vm1 i-vm1");
    assert_eq!(
        plan_with("2026-11-21T16:01:00Z", "never"),
        "[ttl] let the machines live for ever (CreateTags)\nruns: vm1 i-vm1"
    );
    assert_eq!(
        power_off(Some(now()), "2026-11-21T04:48:00Z".parse().expect("time")),
        "5 h 12 min left"
    );
    assert_eq!(
        power_off(Some(now()), "2026-11-22T04:48:00Z".parse().expect("time")),
        "over since 2026-11-21T10:00:30Z"
    );
}

/// Those keys of `clouds.aws` that may change while machines are there; the table of all keys is in `deployer::keys`.
#[test]
fn settings_that_change_are_planned() {
    let observed = |from: &str| {
        let mut observed = network();
        observed.groups[0].rules =
            [Rule::members(), Rule::tcp(22, from.parse().expect("range"))].into();
        observed.instances = vec![instance("vm1", State::Running, LATER)];
        observed
    };
    let plan_with = |settings: &Settings, from: &str| {
        let wanted = wanted(ID, &["vm1"]);
        let plan = planned(&wanted, settings, &observed(from), &Catalog::default());
        (plan.steps.len(), words(&plan))
    };
    let from = Settings {
        ssh_from: vec!["198.51.100.0/24".into()],
        ..settings()
    };
    let (steps, said) = plan_with(&from, "192.0.2.1/32");
    assert!(steps > 0 && said.contains("198.51.100.0/24"), "{said}");
    assert_eq!(plan_with(&from, "198.51.100.0/24").0, 0);

    let ttl = Settings {
        ttl: Ttl::try_from("48h".to_owned()).expect("ttl"),
        ..settings()
    };
    let (steps, said) = plan_with(&ttl, "192.0.2.1/32");
    assert_eq!(steps, 1);
    assert!(
        said.contains("let the machines live until 2026-11-23T10:00:00Z"),
        "{said}"
    );
}

#[test]
fn a_repeated_launch_and_its_neighbours_end_together() {
    // vm1 runs, the answer about vm2 was lost a minute ago, vm3 was not asked for: no second round of renewal.
    let end = "2026-11-21T21:59:00Z";
    let mut wanted = wanted(ID, &["vm1", "vm2", "vm3"]);
    let open = Attempt {
        number: 1,
        zone: "eu-central-1a".into(),
        image: "ami-1".into(),
        instance_type: "t3.small".into(),
        expires: end.parse().ok(),
        noted: now(),
        instance: None,
        ran: false,
    };
    let note = serde_json::to_string(&open).expect("json");
    wanted.notes.insert(note::launch("vm2"), note);
    let observed = Observed {
        instances: vec![instance("vm1", State::Running, end)],
        ..network()
    };
    let plan = planned(&wanted, &settings(), &observed, &catalog());
    assert_eq!(
        words(&plan),
        format!(
            "[machines] vm2: make a t3.small with 16 GiB of disk from ami-1 (RunInstances)\n\
             [machines] vm3: make a t3.small with 16 GiB of disk from ami-1 (RunInstances)\n\
             runs: vm1 i-vm1\nexpires: {end}"
        )
    );
    let operations = serde_json::to_string(&plan.steps).expect("json");
    assert_eq!(
        operations.matches(&format!(r#""expires":"{end}""#)).count(),
        2,
        "{operations}"
    );
}

#[test]
fn without_public_addresses_ssh_goes_through_the_bastion() {
    let settings = Settings {
        public_ip: false,
        bastion: Some("vm1".into()),
        ..settings()
    };
    let mut inside = instance("vm2", State::Running, LATER);
    inside.public = None;
    let observed = Observed {
        instances: vec![instance("vm1", State::Running, LATER), inside],
        ..network()
    };
    let plan = planned(
        &wanted(ID, &["vm1", "vm2"]),
        &settings,
        &observed,
        &Catalog::default(),
    );
    let access: Vec<String> = plan
        .machines
        .iter()
        .map(|machine| serde_json::to_string(&machine.access).expect("json"))
        .collect();
    assert!(
        access[0].contains(r#""address":"203.0.113.5""#) && access[0].contains(r#""jump":null"#),
        "{access:?}"
    );
    assert!(
        access[1].contains(r#""address":"10.77.0.5""#) && access[1].contains(r#""jump":"vm1""#),
        "{access:?}"
    );
}

#[test]
fn wrong_settings_are_found_before_a_call() {
    let nodes = ["vm1".to_owned()].into();
    let wrong = Settings {
        region: Some("frankfurt".into()),
        cidr: "10.77.0.0/8".into(),
        ssh_from: vec!["home".into()],
        ssh_keys: vec!["me".into()],
        tags: BTreeMap::from([
            ("aws:x".to_owned(), "1".to_owned()),
            ("team".to_owned(), "a<b".to_owned()),
        ]),
        public_ip: false,
        disk_gib: 4,
        ..Settings::default()
    };
    insta::assert_snapshot!(wrong.problems(&nodes).join("\n"));
    let many = (0..12).map(|n| format!("vm{n}")).collect();
    let small = Settings {
        cidr: "10.77.0.0/24".into(),
        bastion: Some("vm99".into()),
        ..Settings::default()
    };
    insta::assert_snapshot!("too_many_nodes", small.problems(&many).join("\n"));
    let zones = Settings {
        region: Some("eu-central-1".into()),
        zones: vec!["us-east-1a".into()],
        ..Settings::default()
    };
    assert_eq!(
        zones.problems(&nodes),
        ["`zones`: `us-east-1a` is not in the region `eu-central-1`"]
    );
    assert_eq!(Settings::default().problems(&nodes), Vec::<String>::new());

    let wanted = wanted(ID, &["vm1"]);
    let settings = Settings {
        zones: vec!["eu-central-1c".into()],
        ..settings()
    };
    let view = View {
        wanted: &wanted,
        settings: &settings,
        observed: &network(),
        catalog: &catalog(),
        now: now(),
    };
    let error = plan(&view).expect_err("no zone").to_string();
    assert_eq!(
        error,
        "t3.small is not offered in eu-central-1c, but in eu-central-1a, eu-central-1b: choose another `instance_type` or other `zones`"
    );
}

#[test]
fn settings_are_read_with_their_defaults() {
    let settings: Settings =
        serde_json::from_str(r#"{"region": "eu-central-1", "ttl": "90m", "on_ttl": "terminate"}"#)
            .expect("settings");
    assert_eq!(settings.ttl.to_string(), "1h 30m");
    assert_eq!(settings.type_for(1025).expect("type"), "t3.small");
    let arm = Settings {
        architecture: Architecture::Arm,
        ..Settings::default()
    };
    assert_eq!(arm.type_for(4096).expect("type"), "t4g.medium");
    assert_eq!(
        Image::default().pattern_for(Architecture::Arm),
        "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-arm64-server-*"
    );
    for (text, problem) in [
        (
            r#"{"ttl": "soon"}"#,
            "neither a duration such as `12h` nor `never`",
        ),
        (r#"{"ttl": "10m"}"#, "at least 30 minutes after each boot"),
        (r#"{"zone": "a"}"#, "unknown field `zone`"),
    ] {
        let error = serde_json::from_str::<Settings>(text)
            .expect_err("wrong")
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
    let again: Settings =
        serde_json::from_str(&serde_json::to_string(&settings).expect("json")).expect("settings");
    assert_eq!(again, settings);
}

#[test]
fn user_data_names_host_user_and_end() {
    let text = user_data::render(
        &machine("vm1", 2048),
        "ssh-ed25519 AAAAuser deployer",
        &["ssh-ed25519 AAAAother you".into()],
        Some(now()),
    );
    insta::assert_snapshot!(text.expect("user data").expose());
    let many: Vec<String> = (0..200)
        .map(|n| format!("ssh-ed25519 {} person{n}", "A".repeat(68)))
        .collect();
    let error = user_data::render(&machine("vm1", 2048), "key", &many, None)
        .expect_err("too long")
        .to_string();
    assert!(
        error.starts_with("vm1: its user data has ")
            && error.ends_with(" bytes, the cloud takes 16384: name fewer `ssh_keys`"),
        "{error}"
    );
}

#[test]
fn an_attempt_of_days_ago_is_made_anew_with_its_own_end() {
    let attempt = |noted: &str, expires: &str| Attempt {
        number: 3,
        zone: "eu-central-1a".into(),
        image: "ami-1".into(),
        instance_type: "t3.small".into(),
        expires: Some(expires.parse().expect("time")),
        noted: noted.parse().expect("time"),
        instance: None,
        ran: false,
    };
    let launched = |attempt: &Attempt| {
        let mut wanted = wanted(ID, &["vm1"]);
        let text = serde_json::to_string(attempt).expect("JSON");
        wanted.notes.insert(note::launch("vm1"), text);
        let plan = planned(&wanted, &settings(), &network(), &catalog());
        let operation = plan.steps.into_iter().map(|step| step.operation);
        let launch = operation.filter_map(|operation| match operation.read(CloudName::AWS) {
            Ok(Operation::Launch(launch)) => Some(launch),
            _ => None,
        });
        let launches: Vec<_> = launch.collect();
        assert_eq!(launches.len(), 1);
        (launches[0].attempt, launches[0].expires)
    };
    let end = |text: &str| Some(text.parse::<Timestamp>().expect("time"));
    // A moment ago: the same call again.
    let open = attempt("2026-11-21T10:00:00Z", "2026-11-21T22:00:00Z");
    assert_eq!(launched(&open), (3, end("2026-11-21T22:00:00Z")));
    // Days ago, and an hour ago with little time left: another call, with all its time.
    for old in [
        attempt("2026-11-18T10:00:00Z", "2026-11-18T22:00:00Z"),
        attempt("2026-11-21T09:00:00Z", "2026-11-21T10:20:00Z"),
        attempt("2026-11-21T09:40:00Z", "2026-11-21T10:00:00Z"),
    ] {
        assert_eq!(launched(&old), (4, end("2026-11-21T22:00:00Z")));
    }
}
