//! phpMyAdmin, beside MariaDB, for its own node alone. PHP's own server shows Debian's files of it: no web server comes with them, none
//! starts by itself, and nothing of the package's own settings is read or changed.

use serde::Serialize;

use super::service::Service;
use super::{
    Component, Context, Disk, Form, KnownAs, Memory, NewSecret, Port, Reach, Renewal, Tunnel,
    TunnelEnd, mariadb,
};
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

/// The component.
pub struct Phpmyadmin;

/// Its name.
pub const NAME: &str = "phpmyadmin";
const TITLE: &str = "phpMyAdmin";

/// The second one keeps the first from making a database of its own; where the host has the third, that was asked already.
const PACKAGES: [&str; 2] = ["phpmyadmin", "dbconfig-no-thanks | dbconfig-mysql"];
const UNIT: &str = "phpmyadmin/phpmyadmin.service";
/// As phpMyAdmin calls it, in the directory that it takes for `/etc/phpmyadmin`.
const CONFIG: &str = "config.inc.php";
/// What encrypts the password that a browser keeps.
const COOKIES: &str = "cookies";

const SECRETS: &[NewSecret] = &[NewSecret {
    key: COOKIES,
    form: Form::Password,
    known_as: Some(KnownAs {
        name: COOKIES,
        about: "encrypts the logins of browsers at phpMyAdmin",
        is_password: false,
        by_security: false,
        renewal: Renewal::Rolling,
    }),
}];

#[derive(Serialize)]
struct Settings<'a> {
    mariadb_port: u16,
    database: &'static str,
    cookies: &'a str,
}

#[derive(Serialize)]
struct Process {
    port: u16,
    directory: String,
}

impl Component for Phpmyadmin {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        TITLE
    }

    fn about(&self) -> &'static str {
        "Shows MariaDB's tables to browsers."
    }

    fn is_role(&self) -> bool {
        false
    }

    fn is_on(&self, node: &Node, topology: &Topology) -> bool {
        node.has(mariadb::NAME) && mariadb::section(topology).phpmyadmin
    }

    fn secrets(&self) -> &'static [NewSecret] {
        SECRETS
    }

    fn tunnel(&self) -> Option<&'static dyn Tunnel> {
        Some(&Self)
    }

    fn memory(&self, _: &Node, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 96,
        }
    }

    fn disk(&self) -> Disk {
        Disk {
            data: 0,
            software: 0,
        }
    }

    fn ports(&self, _: &Node, topology: &Topology) -> Vec<Port> {
        vec![Port {
            number: mariadb::section(topology).phpmyadmin_port,
            key: "mariadb.phpmyadmin_port",
            reach: Reach::Node,
        }]
    }

    fn packages(&self, _: &Node, _: &Context<'_>) -> Vec<String> {
        PACKAGES.map(str::to_owned).into()
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let section = mariadb::section(context.topology);
        let mut service = Service::new(context, node, &Self);
        let settings = Settings {
            mariadb_port: section.port,
            database: mariadb::DATABASE,
            cookies: context.secrets.get(NAME, COOKIES),
        };
        let settings = render("phpmyadmin/config.inc.php", &settings)?;
        service.file(CONFIG, Content::secret(settings));
        let process = Process {
            port: section.phpmyadmin_port,
            directory: service.place.directory(),
        };
        service.unit(UNIT, &process)
    }
}

impl Tunnel for Phpmyadmin {
    fn words(&self, ends: &[TunnelEnd], _: &Topology, secrets: &str, _: bool) -> Vec<String> {
        let pages = ends
            .iter()
            .map(|TunnelEnd { address, port, .. }| format!("phpMyAdmin: http://{address}:{port}/"));
        let login = [
            format!("login:    {}", mariadb::ADMIN),
            format!("password: in {secrets}"),
        ];
        pages.chain(login).collect()
    }

    fn hint(&self) -> &'static str {
        "is the local port taken? choose another with --port"
    }
}
