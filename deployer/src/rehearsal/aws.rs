//! The rehearsal on AWS: killed where a second machine could be made, and where things could be left; the time to live, and what
//! only some accounts have.

use std::time::Duration;

use clap::Args;
use serde_yaml::{Mapping, Value};

use super::steps::{LOOK, brief, check, end, killed, verb};
use super::variant::{Change, Variant, set};
use super::{Act, Expected, Rehearsal, Step};
use crate::topology::CloudName;

/// The shortest time to live, half an hour, and what a machine may take to go down.
const OFF: Duration = Duration::from_mins(42);

/// What `up` says right before it asks AWS for a machine, and `teardown` before it deletes the network.
const ASKS: &str = "asks for a ";
const VPC: &str = "vpc …";

/// What may be asked for.
#[derive(Debug, Clone, Default, Args)]
pub struct Wishes {
    /// On AWS, say in the report that these credentials have exactly the policy of `deployer guide aws`.
    #[arg(long)]
    pub least_policy: bool,
    /// On AWS, leave out the half hour until the machines power themselves off.
    #[arg(long)]
    pub no_power_off: bool,
    /// On AWS, also in this VPC of yours, whose first subnet should be private.
    #[arg(long, value_name = "VPC")]
    pub vpc: Option<String>,
    /// On AWS, also arm64 machines with CouchDB; `deployer build-agents --target aarch64` comes first.
    #[arg(long)]
    pub arm64: bool,
    /// On AWS, also in this region.
    #[arg(long, value_name = "REGION")]
    pub second_region: Option<String>,
}

impl Wishes {
    /// The options that are given.
    pub(super) fn given(&self) -> Vec<&'static str> {
        let all = [
            ("--least-policy", self.least_policy),
            ("--no-power-off", self.no_power_off),
            ("--vpc", self.vpc.is_some()),
            ("--arm64", self.arm64),
            ("--second-region", self.second_region.is_some()),
        ];
        let given = all.into_iter().filter(|(_, given)| *given);
        given.map(|(option, _)| option).collect()
    }
}

/// All that is tried.
pub(super) fn plan(wishes: &Wishes) -> Rehearsal {
    let first = first();
    let name = first.name;
    let others = [
        wishes.vpc.as_deref().map(in_a_vpc),
        wishes.arm64.then(on_arm),
        wishes.second_region.as_deref().map(elsewhere),
    ];
    let others: Vec<Variant> = others.into_iter().flatten().collect();
    // Whatever can be known is known before anything costs.
    let mut steps = vec![check(name, "look whether the account will do")];
    steps.extend(others.iter().map(|other| check(other.name, other.purpose)));
    steps.extend([
        killed(
            name,
            "ask for machines, and die while AWS answers",
            &["up", "--yes"],
            ASKS,
        ),
        verb(name, "go on where it died", &["up", "--yes"]).vital(),
        verb(name, "look whether anything is left to do", &["plan"]).within(LOOK),
        verb(name, "look whether all is well", &["status"]).within(LOOK),
        verb(name, "let the machines live longer", &["extend", "30m"]).within(LOOK),
    ]);
    if !wishes.no_power_off {
        steps.push(Step {
            act: Act::AwaitPowerOff,
            expected: Expected::Off,
            ..verb(name, "wait until the machines power themselves off", &[])
                .within(OFF)
                .vital()
        });
        steps.push(verb(
            name,
            "start them with all their data",
            &["up", "--yes"],
        ));
        steps.push(verb(name, "look whether events arrive again", &["verify"]).within(LOOK));
    }
    steps.push(killed(
        name,
        "take all away, and die while the network goes",
        &["teardown", "--yes"],
        VPC,
    ));
    steps.extend(end(name));
    let mut variants = vec![first];
    for other in others {
        steps.extend(brief(other.name));
        variants.push(other);
    }
    let policy = "the credentials have exactly the policy of `deployer guide aws`, says who ran it";
    let remarks = wishes.least_policy.then_some(policy);
    Rehearsal {
        cloud: CloudName::AWS,
        remarks: remarks.into_iter().collect(),
        variants,
        steps,
    }
}

/// The shortest time to live: the last net. What is stopped then keeps its disks, which is looked at.
fn first() -> Variant {
    Variant {
        name: "rehearse",
        purpose: "the pipeline",
        cloud: CloudName::AWS,
        changes: vec![set("ttl", "30m"), set("on_ttl", "stop")],
    }
}

fn in_a_vpc(vpc: &str) -> Variant {
    let changes = vec![set("vpc", vpc), set("subnet", Value::Null)];
    once(
        "rehearse-vpc",
        "a VPC whose first subnet is private",
        changes,
    )
}

/// Apache has CouchDB for arm64 on Debian only.
fn on_arm() -> Variant {
    let image = [
        ("owner", "136693071363"),
        ("pattern", "debian-12-{arch}-*"),
        ("user", "admin"),
    ];
    let image: Mapping = image
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect();
    let changes = vec![
        set("architecture", "arm64"),
        set("instance_type", Value::Null),
        set("image", image),
    ];
    once("rehearse-arm", "arm64, with CouchDB", changes)
}

/// What is of the first region only goes.
fn elsewhere(region: &str) -> Variant {
    let mut changes = vec![set("region", region)];
    changes.extend(["vpc", "subnet", "zones"].map(|key| set(key, Value::Null)));
    once(
        "rehearse-region",
        "another region, with its own quota",
        changes,
    )
}

/// Nobody starts it again: the end of its time deletes it.
fn once(name: &'static str, purpose: &'static str, changes: Vec<Change>) -> Variant {
    let net = [set("ttl", "30m"), set("on_ttl", "terminate")];
    Variant {
        name,
        purpose,
        cloud: CloudName::AWS,
        changes: net.into_iter().chain(changes).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::elsewhere;

    #[test]
    fn a_variant_is_the_inventory_with_a_few_other_settings() {
        let text = "name: mine\nnodes: { vm1: { roles: [] } }\nclouds: { aws: { region: r1, zones: [r1a], ttl: never } }\n";
        let first = super::first().inventory(text).expect("yaml");
        let second = elsewhere("r2").inventory(text).expect("yaml");
        for (made, words) in [
            (&first, "name: rehearse\n"),
            (&first, "ttl: 30m"),
            (&first, "region: r1"),
            (&first, "on_ttl: stop"),
            (&second, "region: r2"),
            (&second, "on_ttl: terminate"),
        ] {
            assert!(made.contains(words), "`{words}` is missing: {made}");
        }
        assert!(
            first.contains("r1a") && !second.contains("zones"),
            "{second}"
        );
        // What stands there means what it meant.
        let odd =
            "x: &x { a: 007, b: 0.50, c: 1e9, d: 2, e: yes, f: 1.5, g: true }\ny: { <<: *x, a: }\n";
        let made = super::first().inventory(odd).expect("yaml");
        for words in [
            "a: '007'",
            "b: '0.50'",
            "c: '1e9'",
            "d: 2\n",
            "f: 1.5",
            "g: true\n",
            "y:\n  a: null\n  b: '0.50'",
        ] {
            assert!(made.contains(words), "`{words}` is missing: {made}");
        }
        // Without a section of the cloud there is one then.
        let bare = super::first()
            .inventory("name: x\nclouds:\n")
            .expect("yaml");
        assert!(bare.contains("ttl: 30m"), "{bare}");
    }
}
