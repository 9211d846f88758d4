//! Who may read documents and write none. `CouchDB` itself lets each member of a database write, so such a database has a document
//! with a function that refuses all writes but those of the agents' user and of administrators.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

/// The document with the function. It is none of anybody's documents: it is not counted, shown or exported.
pub const GUARD: &str = "_design/deployer-readers";

/// By what `CouchDB`'s readers are told from users that somebody else has made there.
pub(super) const ROLE: &str = "deployer-reader";

/// A reader as he is wanted. He holds a password, so nothing shows him.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reader {
    pub(super) name: String,
    pub(super) password: String,
    /// The databases that he reads.
    databases: BTreeSet<String>,
}

/// Returns the names of those who read a database.
pub(super) fn of<'a>(readers: &'a [Reader], database: &str) -> Vec<&'a str> {
    let reading = readers
        .iter()
        .filter(|reader| reader.databases.contains(database));
    let names: BTreeSet<&str> = reading.map(|reader| reader.name.as_str()).collect();
    names.into_iter().collect()
}

/// Returns the document with the function. Local documents pass it by: `CouchDB` asks no function of these, and they belong to no
/// database's content.
pub fn guard(user: &str) -> Value {
    let function = format!(
        "function (document, before, user) {{\n  \
           if (user.name !== {} && user.roles.indexOf('_admin') === -1) {{\n    \
             throw({{forbidden: 'only the deployment writes here'}});\n  \
           }}\n\
         }}",
        Value::from(user)
    );
    json!({"language": "javascript", "validate_doc_update": function})
}

/// Returns the access rules (`_security`) of a database: the agents' user, its readers and administrators, nobody else.
pub(super) fn access_rules(user: &str, readers: &[&str]) -> Value {
    let names: Vec<&str> = [user].into_iter().chain(readers.iter().copied()).collect();
    json!({
        "admins": {"names": [], "roles": ["_admin"]},
        "members": {"names": names, "roles": []},
    })
}

/// Returns whom access rules let in beside the agents' user.
pub(super) fn in_rules(rules: &Value, user: &str) -> Vec<String> {
    let names = rules.pointer("/members/names").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(Value::as_str);
    names
        .filter(|name| *name != user)
        .map(str::to_owned)
        .collect()
}
