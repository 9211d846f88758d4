//! The deployments of a rehearsal: each is the inventory with a name of its own and a few other settings.

use serde_yaml::{Mapping, Value};

use crate::topology::CloudName;
use crate::yaml;

/// One deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// The cloud.
    pub cloud: CloudName,
    /// What its section of the cloud has besides what the inventory says.
    pub changes: Vec<Change>,
}

/// A setting of the cloud's section.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its key.
    pub key: &'static str,
    /// Its value; null: it is taken out.
    pub value: Value,
}

fn set(key: &'static str, value: impl Into<Value>) -> Change {
    Change {
        key,
        value: value.into(),
    }
}

/// The shortest time to live: the last net. What is stopped then keeps its disks, which is looked at.
pub(super) fn aws() -> Variant {
    Variant {
        name: "rehearse",
        purpose: "the pipeline",
        cloud: CloudName::AWS,
        changes: vec![set("ttl", "30m"), set("on_ttl", "stop")],
    }
}

pub(super) fn in_a_vpc(vpc: &str) -> Variant {
    let changes = vec![set("vpc", vpc), set("subnet", Value::Null)];
    brief(
        "rehearse-vpc",
        "a VPC whose first subnet is private",
        changes,
    )
}

/// Apache has CouchDB for arm64 on Debian only.
pub(super) fn on_arm() -> Variant {
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
    brief("rehearse-arm", "arm64, with CouchDB", changes)
}

/// What is of the first region only goes.
pub(super) fn elsewhere(region: &str) -> Variant {
    let mut changes = vec![set("region", region)];
    changes.extend(["vpc", "subnet", "zones"].map(|key| set(key, Value::Null)));
    brief(
        "rehearse-region",
        "another region, with its own quota",
        changes,
    )
}

/// Nobody starts it again: the end of its time deletes it.
fn brief(name: &'static str, purpose: &'static str, changes: Vec<Change>) -> Variant {
    let net = [set("ttl", "30m"), set("on_ttl", "terminate")];
    Variant {
        name,
        purpose,
        cloud: CloudName::AWS,
        changes: net.into_iter().chain(changes).collect(),
    }
}

pub(super) fn chameleon() -> Variant {
    Variant {
        name: "rehearse",
        purpose: "the pipeline, on a lease of two hours",
        cloud: CloudName::CHAMELEON,
        changes: vec![set("lease", "2h")],
    }
}

impl Variant {
    /// The inventory of this variant, made of the one that the user names, which was read before.
    pub fn inventory(&self, text: &str) -> Result<String, serde_yaml::Error> {
        let mut all = yaml::read(text)
            .root
            .map_or(Value::Null, |root| root.to_yaml());
        let cloud = self.cloud.name();
        if let Value::Mapping(all) = &mut all {
            all.insert("name".into(), self.name.into());
            all.insert("cloud".into(), cloud.into());
            let section = below(below(all, "clouds"), cloud);
            for Change { key, value } in &self.changes {
                if value.is_null() {
                    section.remove(*key);
                } else {
                    section.insert((*key).into(), value.clone());
                }
            }
        }
        serde_yaml::to_string(&all)
    }
}

/// The mapping at a key, made where there is none.
fn below<'a>(parent: &'a mut Mapping, key: &str) -> &'a mut Mapping {
    let entry = parent.entry(key.into()).or_insert(Value::Null);
    if !entry.is_mapping() {
        *entry = Value::Mapping(Mapping::new());
    }
    match entry {
        Value::Mapping(mapping) => mapping,
        // It was made one just now.
        _ => unreachable!("a mapping"),
    }
}

#[cfg(test)]
mod tests {
    use super::{aws, elsewhere};

    #[test]
    fn a_variant_is_the_inventory_with_a_few_other_settings() {
        let text = "name: mine\nnodes: { vm1: { roles: [] } }\nclouds: { aws: { region: r1, zones: [r1a], ttl: never } }\n";
        let first = aws().inventory(text).expect("yaml");
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
        let made = aws().inventory(odd).expect("yaml");
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
        let bare = aws().inventory("name: x\nclouds:\n").expect("yaml");
        assert!(bare.contains("ttl: 30m"), "{bare}");
    }
}
