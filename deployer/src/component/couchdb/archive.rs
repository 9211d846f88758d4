//! A release of CouchDB in an archive that the inventory names.

use std::path::{Path, PathBuf};

use super::package::OLDEST;
use super::{Couchdb, ENGINE, More, NAME, RELEASE, section, settings};
use crate::component::Context;
use crate::component::artifact::{Chosen, Folder};
use crate::component::service::{self, Service};
use crate::inventory::Setting;
use crate::step::Action;
use crate::template::TemplateError;
use crate::topology::{Node, Topology};

/// What of a release folder runs, as patterns: that it starts does not show yet that views and replication find their libraries.
const PROGRAMS: [&str; 5] = [
    "erts-*/bin/beam.smp",
    "lib/*/priv/*.so",
    "lib/crypto-*/priv/lib/crypto.so",
    "lib/couch_quickjs-*/priv/couchjs_mainjs",
    "lib/asn1-*/priv/lib/*.so",
];
/// The JavaScript engine that needs a library of the system's.
const SPIDERMONKEY: &str = "bin/couchjs";
/// The engine that needs nothing: a value of [`ENGINE`].
pub const QUICKJS: &str = "quickjs";

const UNIT: &str = "couchdb/couchdb.service";

/// The archive of a deployment; `None`: the inventory names none.
pub(super) fn folder(topology: &Topology) -> Option<Folder> {
    let file = section(topology).archive.as_ref()?;
    Some(Folder {
        name: NAME,
        file: file.clone(),
        key: "couchdb.archive",
        wanted: "a CouchDB release folder as tar.gz",
        look,
    })
}

/// Whether it is a release that is new enough. Nobody installs `SpiderMonkey`'s library for an archive: without it there would be no
/// views, and CouchDB would start their engine again and again. So the other engine is chosen where it is there.
pub fn look(paths: &[PathBuf]) -> Result<Chosen, String> {
    if !paths.iter().any(|path| path == Path::new("bin/couchdb")) {
        return Err("it has no bin/couchdb below its top folder".into());
    }
    let mut versions = paths.iter().filter_map(|path| version(path));
    if let Some(version) = versions.next()
        && numbers(version) < numbers(OLDEST)
    {
        return Err(format!(
            "it is CouchDB {version}, which does not know our kind of password: {OLDEST} or newer is needed"
        ));
    }
    let quickjs = paths
        .iter()
        .any(|path| path.ends_with("priv/couchjs_mainjs"));
    Ok([(ENGINE, quickjs.then_some(QUICKJS))].into())
}

/// The version that a path of a release tells: `lib/couch-3.5.0/…`.
fn version(path: &Path) -> Option<&str> {
    let below = path.strip_prefix("lib").ok()?;
    let folder = below.components().next()?.as_os_str().to_str()?;
    folder.strip_prefix("couch-")
}

/// `3.5.0` → `[3, 5, 0]`: compares as versions do.
fn numbers(version: &str) -> Vec<u32> {
    let parts = version.split(|c: char| !c.is_ascii_digit());
    parts.map_while(|part| part.parse().ok()).collect()
}

/// Unpacks the folder; its services are those of a package, with a unit of ours.
pub(super) fn install(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let mut service = Service::new(context, node, &Couchdb);
    let more = with_engine(context);
    let mut unpack = service::unpack(context, node, NAME, RELEASE.to_owned(), UNIT)?;
    if let Action::UnpackArchive { programs, .. } = &mut unpack {
        programs.extend(PROGRAMS.map(str::to_owned));
        let engine = more.get("couchdb").and_then(|own| own.get(ENGINE));
        if engine.is_none_or(|engine| engine.0 != QUICKJS) {
            programs.push(SPIDERMONKEY.to_owned());
        }
    }
    service.add(unpack);
    let user = service.place.user();
    let process = settings(&mut service, context, &user, &more)?;
    service.unit(UNIT, &process)
}

/// The settings of the inventory, with the engine that was chosen unless it says one.
fn with_engine(context: &Context<'_>) -> More {
    let mut settings = section(context.topology).settings.clone();
    if let Some(engine) = context.choices.get(NAME, ENGINE) {
        let own = settings.entry("couchdb".into()).or_default();
        let said = own.entry(ENGINE.into());
        said.or_insert_with(|| Setting(engine.into()));
    }
    settings
}
