//! CouchDB's settings: which there are, by its code and its `default.ini`, and what its ini files can hold.

use std::collections::BTreeSet;

use crate::component::refusal::Refusal;
use crate::inventory::{Security, suggestion};

/// Settings that the deployer makes itself: section, key (empty: the whole section), and the inventory's key that decides (empty:
/// none does). The last ones are not rendered: they would overrule one that is.
pub const OWNED: &[(&str, &str, &str)] = &[
    ("admins", "", ""),
    ("chttpd", "WWW-Authenticate", ""),
    ("chttpd", "bind_address", ""),
    ("chttpd", "port", "couchdb.port"),
    ("chttpd", "require_valid_user_except_for_up", ""),
    ("chttpd_auth", "secret", ""),
    ("cluster", "n", ""),
    ("couchdb", "database_dir", ""),
    ("couchdb", "single_node", ""),
    ("couchdb", "uuid", ""),
    ("couchdb", "view_index_dir", ""),
    ("log", "writer", ""),
    ("smoosh", "state_dir", ""),
    // Not rendered.
    ("chttpd", "require_valid_user", ""),
];

/// Settings that the deployer makes itself where security is on.
pub const OWNED_BY_SECURITY: &[(&str, &str, &str)] = &[
    // It is merged into the next one, and would say where both ports are open.
    ("chttpd", "server_options", ""),
    ("httpsd", "server_options", ""),
    ("ssl", "cert_file", ""),
    ("ssl", "enable", "security"),
    ("ssl", "key_file", ""),
    ("ssl", "port", "couchdb.tls_port"),
    ("ssl", "tls_versions", ""),
    // Not rendered: a port of plain text beside ours.
    ("httpd", "enable", ""),
];

/// Settings by which users reach what is not theirs, so that they are refused where security is on: what each opens.
pub const OPENING: &[(&str, &str, &str)] = &[
    ("chttpd", "admin_only_all_dbs", "the list of all databases"),
    (
        "chttpd_auth",
        "users_db_public",
        "the database of all users",
    ),
    (
        "couchdb",
        "default_security",
        "the databases of users and of replications, and each new one",
    ),
];

/// Settings that are rendered and may be named all the same: the inventory's, which comes later, counts.
pub const DEFAULTS: &[(&str, &str)] = &[("chttpd_auth_lockout", "mode"), ("log", "level")];

/// Sections whose keys are the user's own, and beginnings of such sections' names.
const FREE: [&str; 21] = [
    "cors:",
    "couch_scanner_plugin",
    "couchdb_engines",
    "daemons",
    "dreyfus_blacklist",
    "feature_flags",
    "indexers",
    "ioq.bypass",
    "jwt_keys",
    "ken.ignore",
    "mem3.redirects",
    "native_query_servers",
    "off_heap_mqd",
    "process_priority",
    "query_servers",
    "replicator.shares",
    "smoosh.",
    "ssl",
    "vendor",
    "vhosts",
    "httpd_",
];

const LEVELS: [&str; 9] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
    "none",
];

const TABLE: &str = include_str!("data/settings.tsv");

fn known() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    TABLE.lines().skip(2).filter_map(|line| {
        let mut cells = line.split('\t');
        Some((cells.next()?, cells.next()?, cells.next()?))
    })
}

/// Holds a setting of the inventory and its value against what CouchDB takes.
///
/// # Errors
/// The setting is the deployer's own, its value cannot be written into an ini file, or CouchDB reads it as another type.
pub fn check(section: &str, key: &str, text: &str, security: Security) -> Result<(), Refusal> {
    let is_meant =
        |(own, name, _): &&(&str, &str, &str)| *own == section && (name.is_empty() || *name == key);
    let (owned, opening) = if security.is_on() {
        (OWNED_BY_SECURITY, OPENING)
    } else {
        (&[][..], &[][..])
    };
    let mut owned = OWNED.iter().chain(owned);
    if let Some((_, _, decides)) = owned.find(is_meant) {
        return Err(Refusal::owned(decides));
    }
    if let Some((_, _, what)) = opening.iter().find(is_meant) {
        let refusal = Refusal::new(format!("opens {what} to every user, and `security` is on"));
        return Err(refusal.hint("leave it out"));
    }
    check_line(text)?;
    let kind = known().find(|(own, name, _)| *own == section && *name == key);
    let good = match kind.map(|(_, _, kind)| kind) {
        Some("boolean") => matches!(text, "true" | "false"),
        Some("integer") => text.parse::<i64>().is_ok(),
        _ => true,
    };
    if !good {
        let kind = match kind {
            Some((_, _, "boolean")) => "true or false",
            _ => "a whole number",
        };
        return Err(Refusal::new(format!("must be {kind}, is `{text}`")));
    }
    if (section, key) == ("log", "level") && !LEVELS.contains(&text) {
        let refusal = Refusal::new(format!("must be one of {}, is `{text}`", LEVELS.join(", ")));
        return match suggestion(text, &LEVELS) {
            Some(hint) => Err(refusal.hint(hint)),
            None => Err(refusal),
        };
    }
    Ok(())
}

/// CouchDB's ini files know no quotes and no escapes.
fn check_line(text: &str) -> Result<(), Refusal> {
    let why = if text.is_empty() {
        "is empty, and CouchDB takes a key without a value for none"
    } else if text.trim() != text {
        "begins or ends with a space, which CouchDB's ini files cannot hold"
    } else if text.starts_with(';') || text.contains(" ;") {
        "holds ` ;`, where a comment begins in CouchDB's ini files: the rest would be cut off"
    } else {
        return Ok(());
    };
    Err(Refusal::new(why))
}

/// What CouchDB's code does not name, in words: it is taken without a word by CouchDB itself, and does nothing.
pub fn doubt(section: &str, key: &str) -> Option<Refusal> {
    if FREE.iter().any(|free| section.starts_with(free)) {
        return None;
    }
    let keys: Vec<&str> = known()
        .filter(|(own, _, _)| *own == section)
        .map(|(_, key, _)| key)
        .collect();
    if keys.contains(&key) {
        return None;
    }
    let (what, names) = if keys.is_empty() {
        let sections: BTreeSet<&str> = known().map(|(section, _, _)| section).collect();
        ("its section", sections.into_iter().collect())
    } else {
        ("it", keys)
    };
    let doubt = Refusal::new(format!(
        "CouchDB 3.5 does not know {what}, and will ignore it"
    ));
    Some(
        match suggestion(if what == "it" { key } else { section }, &names) {
            Some(hint) => doubt.hint(hint),
            None => doubt,
        },
    )
}
