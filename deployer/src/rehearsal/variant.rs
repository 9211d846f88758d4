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

pub(super) fn set(key: &'static str, value: impl Into<Value>) -> Change {
    Change {
        key,
        value: value.into(),
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
