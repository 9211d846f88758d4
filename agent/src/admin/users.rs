//! Kafka's users: who logs in by a password, and how one tells whether that is the right one.
//!
//! Kafka tells of a password only how often it was hashed. So that number is made from the user and the password: another
//! password most likely has another number, and nobody needs to log in to see that it was changed.

use std::collections::{BTreeMap, BTreeSet};

use kafka_admin::{Change, Credential, Mechanism};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The fewest times that a password is hashed. With [`MARKS`] it stays below what Kafka takes, which is 16384.
const FEWEST: i32 = 8192;
/// How many marks there are.
const MARKS: i32 = 8192;

/// A user as he is wanted. He holds a password, so nothing shows him.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    name: String,
    password: String,
}

/// What became of users.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// Those who are new or have another password.
    set: BTreeSet<String>,
    /// Those who have no password any more, or one less.
    removed: BTreeSet<String>,
}

/// Returns how often a user's password is hashed: the mark by which it is known.
pub fn mark(user: &str, password: &str) -> i32 {
    let digest = Sha256::new()
        .chain_update(user)
        .chain_update([0])
        .chain_update(password)
        .finalize();
    FEWEST + i32::from(u16::from_be_bytes([digest[0], digest[1]])) % MARKS
}

impl Changed {
    pub(super) fn is_nothing(&self) -> bool {
        self.set.is_empty() && self.removed.is_empty()
    }
}

/// What each user of a cluster has.
pub(super) type Users = BTreeMap<String, Vec<Credential>>;

/// Each user with the mark of the password; none where there is a password that has none.
pub(super) type Marks = BTreeMap<String, Option<i32>>;

/// Returns the mark of each user.
pub(super) fn marks(users: &Users) -> Marks {
    let marks = users.iter().map(|(name, credentials)| {
        let mark = match credentials.as_slice() {
            [one] if one.mechanism == Mechanism::Sha512 => Some(one.iterations),
            _ => None,
        };
        (name.clone(), mark)
    });
    marks.collect()
}

/// Returns what makes the users of a cluster those that are wanted: a list for each call, for Kafka takes one change of a user at
/// a time.
pub(super) fn changes<'a>(wanted: &'a [User], there: &'a Users) -> [Vec<Change<'a>>; 3] {
    let set = wanted.iter().filter_map(|user| {
        let mark = mark(&user.name, &user.password);
        let credentials = there.get(&user.name).map_or(&[][..], Vec::as_slice);
        let is_there = credentials
            .iter()
            .any(|one| one.mechanism == Mechanism::Sha512 && one.iterations == mark);
        (!is_there).then_some(Change::Set {
            user: &user.name,
            password: &user.password,
            iterations: mark,
        })
    });
    let is_wanted = |name: &str| wanted.iter().any(|user| user.name == name);
    let removed = |mechanism| {
        let users = there.iter().filter(move |(name, credentials)| {
            let is_additional = mechanism != Mechanism::Sha512 || !is_wanted(name);
            is_additional && credentials.iter().any(|one| one.mechanism == mechanism)
        });
        users
            .map(move |(user, _)| Change::Remove { user, mechanism })
            .collect()
    };
    [
        set.collect(),
        removed(Mechanism::Sha256),
        removed(Mechanism::Sha512),
    ]
}

/// Says what becomes of whom.
pub(super) fn report(changes: &[Vec<Change<'_>>]) -> Changed {
    let (mut set, mut removed) = (BTreeSet::new(), BTreeSet::new());
    for change in changes.iter().flatten() {
        match change {
            Change::Set { user, .. } => set.insert((*user).to_owned()),
            Change::Remove { user, .. } => removed.insert((*user).to_owned()),
        };
    }
    Changed { set, removed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deployer has the same marks, and a test that reads the same file.
    #[test]
    fn a_mark_is_of_the_user_and_the_password() {
        let cases = include_str!("../../../tests/fixtures/password-marks.tsv");
        for case in cases.lines() {
            let words: Vec<&str> = case.split('\t').collect();
            assert_eq!(mark(words[0], words[1]).to_string(), words[2], "{case}");
        }
    }

    #[test]
    fn only_what_differs_is_changed_and_nobody_else_stays() {
        let user = |name: &str| User {
            name: name.into(),
            password: "p".into(),
        };
        let by = |mechanism, iterations| Credential {
            mechanism,
            iterations,
        };
        let wanted = [user("kept"), user("new"), user("old"), user("both")];
        let there: Users = [
            ("kept", vec![by(Mechanism::Sha512, mark("kept", "p"))]),
            ("old", vec![by(Mechanism::Sha512, mark("old", "before"))]),
            (
                "both",
                vec![
                    by(Mechanism::Sha256, 4096),
                    by(Mechanism::Sha512, mark("both", "p")),
                ],
            ),
            (
                "stranger",
                vec![by(Mechanism::Sha256, 4096), by(Mechanism::Sha512, 4096)],
            ),
        ]
        .map(|(name, credentials)| (name.to_owned(), credentials))
        .into();
        let changes = changes(&wanted, &there);
        assert_eq!(changes.each_ref().map(Vec::len), [2, 2, 1]);
        let changed = report(&changes);
        assert!(changed.set.iter().eq(["new", "old"]), "{changed:?}");
        assert!(
            changed.removed.iter().eq(["both", "stranger"]),
            "{changed:?}"
        );
        assert_eq!(marks(&there)["both"], None);
    }
}
