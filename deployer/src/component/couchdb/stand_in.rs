//! The stand-in for CouchDB: npm's package `pouchdb-server`.

use std::path::Path;

use serde::Serialize;

use super::secrets::{SESSION_SECRET, stand_in_hash};
use super::{ADMIN, Couchdb, NAME, section};
use crate::component::artifact::Npm;
use crate::component::service::{self, Service};
use crate::component::{Context, place};
use crate::step::{Action, Content};
use crate::template::{TemplateError, fixed, render};
use crate::topology::Node;

const CONFIG: &str = "config.json";
/// What is loaded before it.
const GUARD: &str = "guard.js";
const UNIT: &str = "couchdb/pouchdb.service";

/// Its program, below the directory its tar was unpacked to.
pub const PROGRAM: &str = "node_modules/pouchdb-server/bin/pouchdb-server";

/// The package.
pub const PACKAGE: Npm = Npm {
    name: "pouchdb-server",
    version: "4.2.0",
    about: "a stand-in for CouchDB",
    package: include_str!("data/stand-in/package.json"),
    lock: include_str!("data/stand-in/package-lock.json"),
    needed,
};

/// Whether a file of the stand-in is needed to run it: not npm's own notes, not other systems' builds, no sources of
/// native code, no tests and documents. Licences stay.
fn needed(path: &Path) -> bool {
    if path == Path::new("node_modules") {
        return true;
    }
    if !path.starts_with("node_modules") {
        return false;
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name = name.to_ascii_lowercase();
    let within = |folder: &str| path.parent().is_some_and(|parent| parent.ends_with(folder));
    if name.starts_with('.') || path == Path::new("node_modules/sqlite3") {
        return false;
    }
    if within("leveldown") && name == "deps" {
        return false;
    }
    if within("leveldown/prebuilds") {
        return name.starts_with("linux-");
    }
    let package = path.parent().and_then(Path::parent);
    let beside_package_json = package.is_some_and(|folder| {
        folder.ends_with("node_modules")
            || folder
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('@'))
    });
    if beside_package_json && matches!(name.as_str(), "test" | "tests" | "example" | "examples") {
        return false;
    }
    let document = [".md", ".markdown", ".map", ".ts"]
        .iter()
        .any(|ending| name.ends_with(ending));
    !document || name.starts_with("licen")
}

#[derive(Serialize)]
struct Settings<'a> {
    address: &'a str,
    port: u16,
    data: String,
    log: String,
    session_secret: &'a str,
    admin: &'a str,
    admin_hash: String,
}

#[derive(Serialize)]
struct Process {
    software: String,
    config: String,
    guard: String,
}

/// Unpacks the package, with a unit of ours.
pub(super) fn install(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let software = format!("{}/{NAME}", place::software(context.topology));
    let mut service = Service::new(context, node, &Couchdb);
    service.data_directory();
    service.add(service::unpack(
        context,
        node,
        NAME,
        software.clone(),
        UNIT,
    )?);
    let data = service.place.data();
    service.file(
        CONFIG,
        Content::secret(render(
            "couchdb/config.json",
            &Settings {
                address: context.everywhere(),
                port: section(context.topology).port,
                log: format!("{data}/log.txt"),
                data,
                session_secret: context.secrets.get(NAME, SESSION_SECRET),
                admin: ADMIN,
                admin_hash: stand_in_hash(context.secrets),
            },
        )?),
    );
    service.file(GUARD, Content::open(fixed("couchdb/guard.js")?));
    let process = Process {
        software,
        config: service.place.file(CONFIG),
        guard: service.place.file(GUARD),
    };
    service.unit(UNIT, &process)
}
