//! MariaDB, one node: Debian's program of it with a service, a user and a directory of ours. Its package starts nothing by itself. At
//! each start it reads who may do what; tables are made by the consumer that fills them.

mod secrets;
mod section;

use serde::Serialize;

use self::secrets::{ADMIN_HASH, USER_HASH};
use super::service::Service;
use super::{
    Component, Context, Count, Disk, Memory, NewSecret, Port, Reach, Tunnel, TunnelEnd, Unfit,
};
use crate::facts::System;
use crate::inventory::Section;
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

pub use secrets::USER_PASSWORD;
pub use section::MariadbSection;

/// The component.
pub struct Mariadb;

/// Its name.
pub const NAME: &str = "mariadb";
const TITLE: &str = "MariaDB";

/// The database of a deployment's tables.
pub const DATABASE: &str = "events";
/// That of the canaries' tables: each is empty again when a proof is over.
pub const CANARIES: &str = "canaries";
/// Who writes to both.
pub const USER: &str = "consumer";
/// Who may do anything in it, from its own node or through a tunnel.
pub const ADMIN: &str = "admin";

/// The server's program without a service, and a client.
const PACKAGES: [&str; 2] = ["mariadb-server-core", "mariadb-client-core"];
const UNIT: &str = "mariadb/mariadb.service";
const CONFIG: &str = "mariadb.cnf";
const RIGHTS: &str = "rights.sql";

#[derive(Serialize)]
struct Settings<'a> {
    address: &'a str,
    port: u16,
    certificate: Option<String>,
    data: String,
    rights: String,
    buffer_pool_mib: u64,
}

#[derive(Serialize)]
struct Rights<'a> {
    database: &'a str,
    canaries: &'a str,
    user: &'a str,
    user_hash: &'a str,
    admin: &'a str,
    admin_hash: &'a str,
    tls: bool,
}

#[derive(Serialize)]
struct Process {
    config: String,
}

impl Component for Mariadb {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "The MariaDB server."
    }

    fn sections(&self) -> Vec<Section> {
        vec![Section::of::<MariadbSection>(NAME)]
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

    fn tunnel(&self) -> Option<&'static dyn Tunnel> {
        Some(&Self)
    }

    fn memory(&self, _: &Node, topology: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 96 + section(topology).buffer_pool_mib,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 1_000,
            software: 150,
        }
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: section(topology).port,
            key: "mariadb.port",
            reach: Reach::Members,
        }]
    }

    fn unfit(&self, system: &System, context: &Context<'_>) -> Vec<Unfit> {
        let unfit = self.unfit_image(system, context.topology);
        unfit.into_iter().collect()
    }

    fn unfit_image(&self, system: &System, _: &Topology) -> Option<Unfit> {
        let old = matches!(
            (system.os.as_str(), system.version.as_str()),
            ("debian", "11") | ("ubuntu", "20.04" | "22.04")
        );
        old.then(|| Unfit {
            what: "its MariaDB is none that the deployer knows".to_owned(),
            hint: "use Debian 12 or 13, or Ubuntu 24.04".to_owned(),
        })
    }

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        PACKAGES.map(str::to_owned).into()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let (topology, secrets) = (context.topology, context.secrets);
        let mut service = Service::new(context, node, &Self);
        service.data_directory();
        let tls = topology.security.is_on();
        let certificate = tls.then(|| service.certificate());
        let rights = Rights {
            database: DATABASE,
            canaries: CANARIES,
            user: USER,
            user_hash: secrets.get(NAME, USER_HASH),
            admin: ADMIN,
            admin_hash: secrets.get(NAME, ADMIN_HASH),
            tls,
        };
        service.file(
            RIGHTS,
            Content::secret(render("mariadb/rights.sql", &rights)?),
        );
        let settings = Settings {
            address: context.everywhere(),
            port: section(topology).port,
            certificate,
            data: service.place.data(),
            rights: service.place.file(RIGHTS),
            buffer_pool_mib: section(topology).buffer_pool_mib,
        };
        service.file(
            CONFIG,
            Content::open(render("mariadb/mariadb.cnf", &settings)?),
        );
        let process = Process {
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }
}

/// What the inventory says of it.
pub fn section(topology: &Topology) -> &MariadbSection {
    topology.sections.get()
}

/// The name and the port at which members find it.
pub fn place(topology: &Topology) -> Option<(String, u16)> {
    let node = topology.nodes_with(NAME).next()?;
    Some((topology.host_name(&node.name), section(topology).port))
}

impl Tunnel for Mariadb {
    fn words(&self, ends: &[TunnelEnd], _: &Topology, secrets: &str, _: bool) -> Vec<String> {
        let clients = ends.iter().map(|TunnelEnd { address, port, .. }| {
            format!("MariaDB: mariadb --host {address} --port {port} --user {ADMIN} --password {DATABASE}")
        });
        clients.chain([format!("password: in {secrets}")]).collect()
    }

    fn hint(&self) -> &'static str {
        "is the local port taken? choose another with --port"
    }
}
