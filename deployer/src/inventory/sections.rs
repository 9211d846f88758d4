//! What the sections of components, and of kinds of sinks, say, as the types of their own files.

use std::any::{Any, type_name};
use std::fmt::Debug;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What stands in sections, or is made of it for a node: each as its own type, made once with its defaults.
#[derive(Debug, Clone, Default)]
pub struct Sections(Vec<(&'static str, Box<dyn Stored>)>);

impl Sections {
    /// What the section of this type says.
    ///
    /// # Panics
    /// When no component has such a section.
    pub fn get<T: Any>(&self) -> &T {
        let found = self.find();
        found.unwrap_or_else(|| panic!("{} is no section", type_name::<T>()))
    }

    /// The same, to be changed.
    ///
    /// # Panics
    /// When no component has such a section.
    pub fn get_mut<T: Any>(&mut self) -> &mut T {
        let mut all = self.0.iter_mut();
        let found = all.find_map(|(_, one)| one.any_mut().downcast_mut());
        found.unwrap_or_else(|| panic!("{} is no section", type_name::<T>()))
    }

    /// The same; `None`: nothing of this type is there.
    pub fn find<T: Any>(&self) -> Option<&T> {
        let mut all = self.0.iter();
        all.find_map(|(_, one)| one.any().downcast_ref())
    }

    /// Whether there is something of a key.
    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(own, _)| *own == key)
    }

    /// Adds what belongs to a key.
    pub fn add<T: Any + Debug + Clone + PartialEq + Serialize + Send + Sync>(
        &mut self,
        key: &'static str,
        what: T,
    ) {
        self.push(key, Box::new(what));
    }

    pub(super) fn push(&mut self, key: &'static str, what: Box<dyn Stored>) {
        self.0.push((key, what));
    }
}

impl PartialEq for Sections {
    fn eq(&self, other: &Self) -> bool {
        let mut both = self.0.iter().zip(&other.0);
        self.0.len() == other.0.len()
            && both.all(|((key, one), (other, another))| key == other && one.equals(&**another))
    }
}

impl Serialize for Sections {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = self.0.iter();
        let all = all.map(|(key, one)| Ok(((*key).to_owned(), one.to_json()?)));
        let all: serde_json::Result<Map<String, Value>> = all.collect();
        all.map_err(S::Error::custom)?.serialize(serializer)
    }
}

/// What can be done with a value whose type only its component knows.
pub(super) trait Stored: Debug + Send + Sync {
    fn any(&self) -> &dyn Any;
    fn any_mut(&mut self) -> &mut dyn Any;
    fn copied(&self) -> Box<dyn Stored>;
    fn equals(&self, other: &dyn Stored) -> bool;
    fn to_json(&self) -> serde_json::Result<Value>;
}

impl<T: Any + Debug + Clone + PartialEq + Serialize + Send + Sync> Stored for T {
    fn any(&self) -> &dyn Any {
        self
    }

    fn any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn copied(&self) -> Box<dyn Stored> {
        Box::new(self.clone())
    }

    fn equals(&self, other: &dyn Stored) -> bool {
        other.any().downcast_ref() == Some(self)
    }

    fn to_json(&self) -> serde_json::Result<Value> {
        serde_json::to_value(self)
    }
}

impl Clone for Box<dyn Stored> {
    fn clone(&self) -> Self {
        (**self).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Sections;

    #[test]
    fn each_type_has_its_own_and_copies_are_apart() {
        let mut sections = Sections::default();
        assert_eq!(sections.find::<u16>(), None);
        sections.add("port", 2181_u16);
        sections.add("name", "x".to_owned());
        let mut other = sections.clone();
        assert_eq!(other, sections);
        *other.get_mut() = 2182_u16;
        assert_ne!(other, sections);
        assert_eq!((sections.get(), other.get()), (&2181_u16, &2182_u16));
        assert_eq!(
            serde_json::to_string(&other).expect("json"),
            r#"{"name":"x","port":2182}"#
        );
    }
}
