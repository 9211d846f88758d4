//! Who may use Kafka, and for what: what is wanted, and how what is there differs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Wanted;
use crate::component::users::{self, PASSWORDS};
use crate::component::{Context, kafka};
use crate::inspect::Log;
use crate::rights::{Right, mark};

/// Adds users and rights to a request, and to what is wanted, where security is on.
pub(super) fn add(request: &mut Value, wanted: &mut Wanted, context: &Context<'_>) {
    let (topology, secrets) = (context.topology, context.secrets);
    if !topology.security.is_on() {
        return;
    }
    let rights = users::rights(topology, secrets);
    let own = users::names(topology);
    let names = own.iter().map(String::as_str);
    let names: BTreeSet<&str> = names
        .chain(rights.iter().map(|right| right.user.as_str()))
        .collect();
    let password = |user| secrets.get(PASSWORDS, user);
    let users: Vec<Value> = names
        .iter()
        .map(|user| json!({"name": user, "password": password(user)}))
        .collect();
    wanted.users = names
        .iter()
        .map(|user| ((*user).to_owned(), mark(user, password(user))))
        .collect();
    request["users"] = json!(users);
    request["rights"] = json!(rights);
    wanted.rights = rights;
}

/// Adds those who read documents, each with its databases.
pub(super) fn add_readers(request: &mut Value, wanted: &mut Wanted, context: &Context<'_>) {
    let (topology, secrets) = (context.topology, context.secrets);
    let mut readers = Vec::new();
    for (user, databases) in kafka::users::readers(topology) {
        readers.push(json!({
            "name": user,
            "password": secrets.get(PASSWORDS, user),
            "databases": databases,
        }));
        for database in databases {
            let of = wanted.readers.entry(database.to_owned()).or_default();
            of.insert(user.to_owned());
        }
    }
    if !readers.is_empty() {
        request["readers"] = json!(readers);
    }
}

/// What is missing, and what else is not as it is wanted.
pub(super) fn differs(wanted: &Wanted, log: &Log) -> (Vec<String>, Vec<String>) {
    if wanted.users.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let (Some(users), Some(rights)) = (&log.users, &log.rights) else {
        let why = log.error.as_ref().map(|why| format!(" ({why})"));
        let why = why.unwrap_or_default();
        return (vec![format!("word of who may use Kafka{why}")], Vec::new());
    };
    let (mut missing, mut differences) = (Vec::new(), Vec::new());
    for (user, mark) in &wanted.users {
        match users.get(user) {
            None => missing.push(format!("user {user}")),
            Some(there) if *there != Some(i64::from(*mark)) => {
                differences.push(format!("user {user}: another password"));
            }
            Some(_) => {}
        }
    }
    let additional = users
        .keys()
        .filter(|user| !wanted.users.contains_key(*user));
    differences.extend(additional.map(|user| format!("user {user}: nobody of ours")));
    let words =
        |rights: &[Right]| -> BTreeSet<String> { rights.iter().flat_map(Right::words).collect() };
    let (wanted, there) = (words(&wanted.rights), words(rights));
    missing.extend(
        wanted
            .difference(&there)
            .map(|right| format!("right of {right}")),
    );
    let additional = there.difference(&wanted);
    differences.extend(additional.map(|right| format!("right of {right}: nobody needs it")));
    (missing, differences)
}

/// Marks by user.
pub(super) type Marks = BTreeMap<String, u16>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_and_right_that_is_not_as_wanted_is_named() {
        let wanted = Wanted {
            users: [("a", 9000), ("b", 9001), ("c", 9002)]
                .map(|(user, mark)| (user.to_owned(), mark))
                .into(),
            rights: vec![
                Right::on_topic("a", "t", "write"),
                Right::on_topic("c", "t", "read"),
            ],
            ..Wanted::default()
        };
        let mut log = Log {
            error: Some("no".into()),
            ..Log::default()
        };
        let none = Vec::<String>::new();
        assert_eq!(differs(&Wanted::default(), &log), (none.clone(), none));
        let (missing, _) = differs(&wanted, &log);
        assert_eq!(missing, ["word of who may use Kafka (no)"]);
        log.users = Some(
            [("a", Some(9000)), ("b", Some(4096)), ("mallory", None)]
                .map(|(user, mark)| (user.to_owned(), mark))
                .into(),
        );
        log.rights = Some(vec![
            Right::on_topic("a", "t", "write"),
            Right::on_group("mallory", "g", "read"),
        ]);
        let (missing, differences) = differs(&wanted, &log);
        assert_eq!(missing, ["user c", "right of c: read topic t"]);
        let others = [
            "user b: another password",
            "user mallory: nobody of ours",
            "right of mallory: read group g: nobody needs it",
        ];
        assert_eq!(differences, others);
    }
}
