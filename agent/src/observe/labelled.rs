//! Figures with labels that can be listed: a family of the library only writes them as text.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::family::Family;

/// A figure for each label. Copies share them.
#[derive(Debug, Clone)]
pub struct Labelled<L, F> {
    family: Family<L, F>,
    known: Arc<Mutex<BTreeMap<L, F>>>,
}

impl<L, F> Labelled<L, F>
where
    L: Clone + Hash + Ord,
    F: Clone + Default,
{
    /// Returns what a registry shows.
    pub fn family(&self) -> Family<L, F> {
        self.family.clone()
    }

    /// Returns the figure of a label.
    pub fn of(&self, label: L) -> F {
        let figure = self.family.get_or_create_owned(&label);
        self.lock().insert(label, figure.clone());
        figure
    }

    /// Forgets all.
    pub fn clear(&self) {
        self.family.clear();
        self.lock().clear();
    }

    /// Returns all, in the order of their labels.
    pub fn all(&self) -> Vec<(L, F)> {
        let known = self.lock();
        let pairs = known.iter();
        pairs.map(|(l, f)| (l.clone(), f.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<L, F>> {
        // Each change is one call: a panic elsewhere leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L, F> Default for Labelled<L, F>
where
    L: Clone + Hash + Eq,
    F: Default,
{
    fn default() -> Self {
        Self {
            family: Family::default(),
            known: Arc::default(),
        }
    }
}
