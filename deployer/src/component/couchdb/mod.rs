//! CouchDB, one node, from one of three distributions. Apache's package and a release folder run with the same files of
//! ours: CouchDB is told to read its own defaults, then our settings, then a last file that is its own to write to. The
//! stand-in, `pouchdb-server`, understands a part of that: it has no settings from the inventory and asks only for the
//! users that a database's `_security` names.

mod check;
mod choice;
pub mod package;
mod secrets;
mod section;
pub mod settings;

use std::collections::BTreeMap;

use serde::Serialize;

use self::secrets::{ADMIN_HASH, UUID, cookie_secret, stand_in_hash};
use super::distributions::Distributions;
use super::place::{self, Place};
use super::repository_key::RepositoryKey;
use super::service::{self, Service};
use super::{
    Component, Context, Count, Disk, Memory, NewSecret, Port, Reach, Tunnel, TunnelEnd, Unfit,
    artifact_key,
};
use crate::facts::System;
use crate::inventory::{Findings, Inventory, Member, Problem, Section, Setting};
use crate::receipt::Choices;
use crate::step::{Access, Action, Content};
use crate::template::{TemplateError, fixed, render};
use crate::topology::{Node, Topology};

pub use choice::distribution;
pub use secrets::{ADMIN_PASSWORD, USER_PASSWORD, password_changed};
pub use section::{CouchdbSection, Distribution};

/// The component.
pub struct Couchdb;

/// Its name.
pub const NAME: &str = "couchdb";
const TITLE: &str = "CouchDB";

/// The choice of an engine of views: the one that its archive wants, where the inventory does not say one.
pub const ENGINE: &str = "js_engine";

/// The key, in CouchDB's section `couchdb`, that says which engine views have.
const JS_ENGINE: &str = "js_engine";

/// The name of CouchDB's administrator.
pub const ADMIN: &str = "admin";
/// The name of the agents' user, who is no administrator.
pub const USER: &str = "consumer";

/// Where Apache's package and a release folder lie.
const RELEASE: &str = "/opt/couchdb";
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
/// The engine that needs nothing: a value of [`JS_ENGINE`].
pub const QUICKJS: &str = "quickjs";

const CONFIG: &str = "deployer.ini";
const ARGUMENTS: &str = "vm.args";
const STAND_IN_CONFIG: &str = "config.json";

#[derive(Serialize)]
struct Settings<'a> {
    address: &'a str,
    port: u16,
    data: String,
    own_ini: String,
    uuid: &'a str,
    cookie_secret: String,
    admin: &'a str,
    admin_hash: &'a str,
    more: &'a BTreeMap<String, BTreeMap<String, Setting>>,
}

#[derive(Serialize)]
struct StandInSettings<'a> {
    address: &'a str,
    port: u16,
    data: String,
    log: String,
    cookie_secret: String,
    admin: &'a str,
    admin_hash: String,
}

#[derive(Serialize)]
struct Process {
    software: String,
    config: String,
    arguments: String,
    own_ini: String,
}

#[derive(Serialize)]
struct StandInProcess {
    software: String,
    config: String,
}

impl Component for Couchdb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "The CouchDB server."
    }

    fn sections(&self) -> Vec<Section> {
        vec![Section::of::<CouchdbSection>(NAME)]
    }

    fn count(&self) -> Count {
        Count::One
    }

    fn holds_data(&self) -> bool {
        true
    }

    fn secrets(&self) -> &'static [NewSecret] {
        secrets::ALL
    }

    fn check(&self, inventory: &Inventory, _: &[Member<'_>], findings: &mut Findings<'_>) {
        check::check(inventory, findings);
    }

    fn without_effect(
        &self,
        inventory: &Inventory,
        topology: &Topology,
        choices: &Choices,
    ) -> Vec<Problem> {
        check::without_effect(inventory, distribution(topology, choices))
    }

    fn tunnel(&self) -> Option<&'static dyn Tunnel> {
        Some(&Self)
    }

    fn package_user(&self) -> Option<&'static str> {
        Some(package::USER)
    }

    fn memory(&self, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 256,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 1_000,
            software: 250,
        }
    }

    fn unfit(&self, system: &System, context: &Context<'_>) -> Vec<Unfit> {
        let packaged = distribution(context.topology, context.choices) == Distribution::Apache;
        let none = package::none_for(system).filter(|_| packaged);
        none.into_iter().collect()
    }

    fn unfit_image(&self, system: &System, topology: &Topology) -> Option<Unfit> {
        package::unfit_image(system, topology)
    }

    fn distributions(&self) -> Option<&'static dyn Distributions> {
        Some(&Couchdb)
    }

    fn unit(&self, topology: &Topology, choices: &Choices) -> String {
        match distribution(topology, choices) {
            Distribution::Auto | Distribution::Apache => package::UNIT.to_owned(),
            Distribution::Archive | Distribution::Pouchdb => Place::new(topology, NAME).unit(),
        }
    }

    fn repository_key<'a>(&self, topology: &'a Topology) -> Option<RepositoryKey<'a>> {
        Some(package::key(topology))
    }

    fn stand_in(&self, topology: &Topology, choices: &Choices) -> Option<&'static str> {
        let stands_in = distribution(topology, choices) == Distribution::Pouchdb;
        stands_in.then_some("PouchDB Server")
    }

    fn packages(&self, context: &Context<'_>) -> Vec<String> {
        let packages: &[&str] = match distribution(context.topology, context.choices) {
            Distribution::Auto | Distribution::Apache => &["ca-certificates"],
            // A release needs the libraries of ICU and OpenSSL, whose packages have another name in each release of the
            // system. These two have the same name in all, and depend on them.
            Distribution::Archive => &["libxml2", "openssl"],
            Distribution::Pouchdb => &["nodejs"],
        };
        packages.iter().copied().map(str::to_owned).collect()
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: section(topology).port,
            key: "couchdb.port",
            reach: Reach::Members,
        }]
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        match distribution(context.topology, context.choices) {
            Distribution::Auto | Distribution::Apache => package::install(node, context),
            Distribution::Archive => archive(node, context),
            Distribution::Pouchdb => stand_in(node, context),
        }
    }
}

/// What the inventory says of it.
pub fn section(topology: &Topology) -> &CouchdbSection {
    topology.sections.get()
}

/// Takes this engine for views unless the inventory says one.
pub fn prefer_engine(topology: &mut Topology, engine: Option<&str>) {
    if let Some(engine) = engine {
        let couchdb: &mut CouchdbSection = topology.sections.get_mut();
        let settings = couchdb.settings.entry(NAME.into()).or_default();
        let said = settings.entry(JS_ENGINE.into());
        said.or_insert_with(|| Setting(engine.into()));
    }
}

/// The address at which members find it.
pub fn url(topology: &Topology) -> Option<String> {
    let node = topology.nodes_with(NAME).next()?;
    let host = topology.host_name(&node.name);
    Some(format!("http://{host}:{}", section(topology).port))
}

impl Tunnel for Couchdb {
    fn words(&self, ends: &[TunnelEnd], _: &Topology, secrets: &str) -> Vec<String> {
        let pages = ends.iter().map(|TunnelEnd { address, port, .. }| {
            format!("CouchDB: http://{address}:{port}/_utils  (stand-in: http://{address}:{port}/)")
        });
        let login = [
            format!("login:   {ADMIN}"),
            format!("password: in {secrets}"),
        ];
        pages.chain(login).collect()
    }

    fn hint(&self) -> &'static str {
        "is the local port taken? choose another with --port"
    }
}

/// A relocatable release folder.
fn archive(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    const UNIT: &str = "couchdb/couchdb.service";
    let mut service = Service::new(context, node, &Couchdb);
    let mut unpack = service::unpack(
        context,
        node,
        artifact_key::COUCHDB,
        RELEASE.to_owned(),
        UNIT,
    )?;
    if let Action::UnpackArchive { programs, .. } = &mut unpack {
        programs.extend(PROGRAMS.map(str::to_owned));
        let settings = section(context.topology).settings.get("couchdb");
        let engine = settings.and_then(|settings| settings.get(JS_ENGINE));
        if engine.is_none_or(|engine| engine.0 != QUICKJS) {
            programs.push(SPIDERMONKEY.to_owned());
        }
    }
    service.add(unpack);
    let user = service.place.user();
    let process = settings(&mut service, context, &user)?;
    service.unit(UNIT, &process)
}

/// Adds the files of a real CouchDB, and says where they lie.
fn settings(
    service: &mut Service<'_>,
    context: &Context<'_>,
    user: &str,
) -> Result<Process, TemplateError> {
    let couchdb = section(context.topology);
    service.data_directory();
    let data = service.place.data();
    let process = Process {
        software: RELEASE.to_owned(),
        config: service.place.file(CONFIG),
        arguments: service.place.file(ARGUMENTS),
        own_ini: format!("{data}/couchdb.ini"),
    };
    service.add(Action::SeedFile {
        path: process.own_ini.clone(),
        content: Content::open(fixed("couchdb/own.ini")?),
        access: Access::user(user, 0o640),
    });
    service.file(
        CONFIG,
        Content::secret(render(
            "couchdb/deployer.ini",
            &Settings {
                address: context.everywhere(),
                port: couchdb.port,
                data,
                own_ini: process.own_ini.clone(),
                uuid: context.secrets.get(NAME, UUID),
                cookie_secret: cookie_secret(context.secrets),
                admin: ADMIN,
                admin_hash: context.secrets.get(NAME, ADMIN_HASH),
                more: &couchdb.settings,
            },
        )?),
    );
    service.file(ARGUMENTS, Content::open(fixed("couchdb/vm.args")?));
    Ok(process)
}

/// The npm package `pouchdb-server`.
fn stand_in(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    const UNIT: &str = "couchdb/pouchdb.service";
    let software = format!("{}/couchdb", place::software(context.topology));
    let mut service = Service::new(context, node, &Couchdb);
    service.data_directory();
    service.add(service::unpack(
        context,
        node,
        artifact_key::COUCHDB,
        software.clone(),
        UNIT,
    )?);
    let data = service.place.data();
    service.file(
        STAND_IN_CONFIG,
        Content::secret(render(
            "couchdb/config.json",
            &StandInSettings {
                address: context.everywhere(),
                port: section(context.topology).port,
                log: format!("{data}/log.txt"),
                data,
                cookie_secret: cookie_secret(context.secrets),
                admin: ADMIN,
                admin_hash: stand_in_hash(context.secrets),
            },
        )?),
    );
    let process = StandInProcess {
        software,
        config: service.place.file(STAND_IN_CONFIG),
    };
    service.unit(UNIT, &process)
}
