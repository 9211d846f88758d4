//! CouchDB, one node, from one of three distributions. Apache's package and a release folder run with the same files of
//! ours: CouchDB is told to read its own defaults, then our settings, then a last file that is its own to write to. The
//! stand-in, `pouchdb-server`, understands a part of that: it has no settings from the inventory and asks only for the
//! users that a database's `_security` names.

mod address;
pub mod archive;
mod check;
mod choice;
pub mod package;
mod secrets;
mod section;
pub mod settings;
pub mod stand_in;

use std::collections::BTreeMap;

use serde::Serialize;

use self::secrets::{ADMIN_HASH, SESSION_SECRET, UUID};
use super::distributions::Distributions;
use super::place::Place;
use super::repository_key::RepositoryKey;
use super::service::{self, Service};
use super::{
    Component, Context, Count, Disk, Memory, NewSecret, Origin, Port, Tunnel, TunnelEnd, Unfit,
};
use crate::facts::System;
use crate::inventory::{Findings, Inventory, Member, Problem, Section, Setting};
use crate::receipt::Choices;
use crate::step::{Access, Action, Content};
use crate::template::{TemplateError, fixed, render};
use crate::topology::{Node, Topology};

pub use address::{speaks_tls, url};
pub use choice::distribution;
pub use secrets::{ADMIN_PASSWORD, USER_PASSWORD, password_changed};
pub use section::{CouchdbSection, Distribution};

/// The component.
pub struct Couchdb;

/// Its name.
pub const NAME: &str = "couchdb";
const TITLE: &str = "CouchDB";

/// The choice of an engine of views: the one that its archive wants, where the inventory does not say one. In CouchDB's section
/// `couchdb` it has this name, too.
pub const ENGINE: &str = "js_engine";

/// The name of CouchDB's administrator.
pub const ADMIN: &str = "admin";
/// The name of the agents' user, who is no administrator.
pub const USER: &str = "consumer";

/// Where Apache's package and a release folder lie.
const RELEASE: &str = "/opt/couchdb";

const CONFIG: &str = "deployer.ini";
/// What is changed in CouchDB itself lies here, beside its data, and counts more.
const OWN_INI: &str = "couchdb.ini";
const ARGUMENTS: &str = "vm.args";

/// Where it listens in plain text, unless security is off.
const LOOPBACK: &str = "127.0.0.1";

/// Settings: section → key → value.
type More = BTreeMap<String, BTreeMap<String, Setting>>;

#[derive(Serialize)]
struct Settings<'a> {
    address: &'a str,
    port: u16,
    tls: Option<Tls>,
    data: String,
    own_ini: String,
    uuid: &'a str,
    session_secret: &'a str,
    admin: &'a str,
    admin_hash: &'a str,
    more: &'a More,
}

#[derive(Serialize)]
struct Tls {
    port: u16,
    certificate: String,
}

#[derive(Serialize)]
struct Process {
    software: String,
    config: String,
    arguments: String,
    own_ini: String,
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

    fn shows_certificate(&self) -> bool {
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

    fn memory(&self, _: &Node, _: &Topology) -> Memory {
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

    fn artifact(&self, topology: &Topology, choices: &Choices) -> Option<Origin> {
        match distribution(topology, choices) {
            Distribution::Auto | Distribution::Apache => None,
            Distribution::Archive => archive::folder(topology).map(Origin::Folder),
            Distribution::Pouchdb => Some(Origin::Npm(stand_in::PACKAGE)),
        }
    }

    fn packages(&self, _: &Node, context: &Context<'_>) -> Vec<String> {
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
        address::ports(topology)
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        match distribution(context.topology, context.choices) {
            Distribution::Auto | Distribution::Apache => package::install(node, context),
            Distribution::Archive => archive::install(node, context),
            Distribution::Pouchdb => stand_in::install(node, context),
        }
    }

    fn start(
        &self,
        _: &Node,
        context: &Context<'_>,
        reads: &BTreeMap<String, String>,
    ) -> Vec<Action> {
        let (topology, choices) = (context.topology, context.choices);
        let ports = address::waited(topology, choices);
        service::start(&self.unit(topology, choices), reads, None, &ports)
    }
}

/// What the inventory says of it.
pub fn section(topology: &Topology) -> &CouchdbSection {
    topology.sections.get()
}

impl Tunnel for Couchdb {
    fn words(&self, ends: &[TunnelEnd], _: &Topology, secrets: &str, _: bool) -> Vec<String> {
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

/// Adds the files of a real CouchDB, with more settings than our own, and says where they lie.
fn settings(
    service: &mut Service<'_>,
    context: &Context<'_>,
    user: &str,
    more: &More,
) -> Result<Process, TemplateError> {
    let couchdb = section(context.topology);
    service.data_directory();
    let data = service.place.data();
    let process = Process {
        software: RELEASE.to_owned(),
        config: service.place.file(CONFIG),
        arguments: service.place.file(ARGUMENTS),
        own_ini: format!("{data}/{OWN_INI}"),
    };
    service.add(Action::SeedFile {
        path: process.own_ini.clone(),
        content: Content::open(fixed("couchdb/own.ini")?),
        access: Access::user(user, 0o640),
    });
    let tls = context.topology.security.is_on().then(|| Tls {
        port: couchdb.tls_port,
        certificate: service.certificate(),
    });
    let address = tls.as_ref().map_or(context.everywhere(), |_| LOOPBACK);
    service.file(
        CONFIG,
        Content::secret(render(
            "couchdb/deployer.ini",
            &Settings {
                address,
                port: couchdb.port,
                tls,
                data,
                own_ini: process.own_ini.clone(),
                uuid: context.secrets.get(NAME, UUID),
                session_secret: context.secrets.get(NAME, SESSION_SECRET),
                admin: ADMIN,
                admin_hash: context.secrets.get(NAME, ADMIN_HASH),
                more,
            },
        )?),
    );
    service.file(ARGUMENTS, Content::open(fixed("couchdb/vm.args")?));
    Ok(process)
}
