//! What secrets a deployment has, by the names that people use: whose they are, what for, and what brings others in their places.

use std::collections::BTreeSet;

use super::users::{self, PASSWORDS};
use super::{ALL, Form, KnownAs, Renewal};
use crate::authority;
use crate::receipt::Secrets;
use crate::topology::Topology;

/// The authority's name among them. No user of an inventory has a name that begins so.
const AUTHORITY: &str = "deployer-authority";

/// A secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its name: a user's, after that of the service where it is not the brokers'.
    pub name: String,
    /// Whose it is in the file of secrets.
    pub of: String,
    /// Its key there.
    pub key: String,
    /// What it is for.
    pub about: String,
    /// Somebody logs in by it: it may be shown.
    pub is_password: bool,
    /// What brings another one.
    pub renewal: Renewal,
}

/// All of them, of the components that there are.
pub fn named(topology: &Topology, secrets: &Secrets) -> Vec<Named> {
    let mut all = Vec::new();
    if topology.security.is_on() {
        all.extend(of_users(topology, secrets));
    }
    let there = ALL.iter().filter(|component| {
        let mut nodes = topology.nodes.values();
        nodes.any(|node| component.is_on(node, topology))
    });
    for component in there {
        for new in component.secrets() {
            let of = component.name();
            all.extend(
                new.known_as
                    .and_then(|known| of_component(of, new.key, known, topology)),
            );
        }
    }
    if topology.security.is_on() {
        all.extend(certificates(secrets));
    }
    all
}

/// Those that go by a rotation of all: nothing stops for them.
pub fn rolling(all: &[Named]) -> impl Iterator<Item = &Named> {
    all.iter().filter(|one| one.renewal == Renewal::Rolling)
}

/// The users of brokers. One that has left the inventory has its password until `--prune`: nobody could bring it another one.
fn of_users(topology: &Topology, secrets: &Secrets) -> Vec<Named> {
    let names = users::names(topology);
    let known = secrets.all().filter(|(of, ..)| *of == PASSWORDS);
    let known = known.map(|(_, user, _)| user.to_owned());
    let all: BTreeSet<String> = known.chain(names.iter().cloned()).collect();
    let of = |user: String| {
        let (about, renewal) = if !names.contains(&user) {
            (
                "an agent's user that has left the inventory",
                Renewal::Never,
            )
        } else if users::is_agents(&user) {
            ("an agent's user at the brokers", Renewal::Rolling)
        } else {
            ("a user of the inventory, at the brokers", Renewal::Rolling)
        };
        Named {
            name: user.clone(),
            of: PASSWORDS.to_owned(),
            key: user,
            about: about.to_owned(),
            is_password: true,
            renewal,
        }
    };
    all.into_iter().map(of).collect()
}

fn of_component(of: &str, key: &str, known: KnownAs, topology: &Topology) -> Option<Named> {
    let is_used = topology.security.is_on() || !known.by_security;
    is_used.then(|| Named {
        name: format!("{of}-{}", known.name),
        of: of.to_owned(),
        key: key.to_owned(),
        about: known.about.to_owned(),
        is_password: known.is_password,
        renewal: known.renewal,
    })
}

/// The authority, and what it has signed.
fn certificates(secrets: &Secrets) -> Vec<Named> {
    let named = |name: String, (of, key): (&str, &str), about: &str, renewal| Named {
        name,
        of: of.to_owned(),
        key: key.to_owned(),
        about: about.to_owned(),
        is_password: false,
        renewal,
    };
    let with = Renewal::With(AUTHORITY);
    let about = "signs the certificates of services";
    let mut all = vec![
        named(
            AUTHORITY.to_owned(),
            authority::KEY_PLACE,
            about,
            Renewal::Pausing,
        ),
        named(
            "deployer-certificate".to_owned(),
            authority::OPERATOR_PLACE,
            "the deployer's own login at the brokers",
            with,
        ),
    ];
    let services = secrets.all().filter(|(of, ..)| *of == authority::SERVICES);
    all.extend(services.map(|(of, place, _)| {
        let about = "a service's key and certificate";
        named(place.to_owned(), (of, place), about, with)
    }));
    all
}

/// Lets go of the secrets of these names, and of all that is made of them; what comes in their places is made elsewhere. One whose
/// change was begun and has not come to its end is not changed again.
#[must_use]
pub fn without(secrets: &Secrets, names: &[String], topology: &Topology) -> Secrets {
    let mut left = secrets.clone();
    for one in named(topology, secrets) {
        if !names.contains(&one.name) || secrets.former(&one.of, &one.key).is_some() {
            continue;
        }
        left.begin_change(&one.of, &one.key);
        if (one.of.as_str(), one.key.as_str()) == authority::KEY_PLACE {
            authority::forget(&mut left);
        }
        let component = ALL.iter().filter(|component| component.name() == one.of);
        for new in component.flat_map(|component| component.secrets()) {
            if matches!(new.form, Form::Hash { of, .. } if of == one.key) {
                left.forget(&one.of, |key| key == new.key);
            }
        }
    }
    left
}
