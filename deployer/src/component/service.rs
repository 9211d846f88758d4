//! A service in the making: its user, directories and files, and at last the unit, which records at each start the
//! checksums of exactly those files.

use std::collections::BTreeMap;

use serde::Serialize;

use super::place::{self, Place};
use super::{Component, Context, checksums, of_node};
use crate::authority;
use crate::hosts_table;
use crate::step::{Access, Action, Content, Judge, loaded_record};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

/// Seconds that a service has for opening its port: a busy machine starts a JVM many times slower than an idle one.
const PORT_SECONDS: u64 = 120;

/// What no unit of ours takes from the environment that a host sets for all of its units (`DefaultEnvironment=`, `systemctl
/// set-environment`): what would choose a language, a zone, temporary files, a proxy, or options and code for Java, Node, Erlang,
/// OpenSSL and `top`.
const UNSET: &[&str] = &[
    "LANGUAGE",
    "TZ",
    "TZDIR",
    "POSIXLY_CORRECT",
    "TMPDIR",
    "TMP",
    "TEMP",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "JAVA_OPTS",
    "JAVA_HOME",
    "CLASSPATH",
    "KAFKA_OPTS",
    "KAFKA_HEAP_OPTS",
    "KAFKA_JMX_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_LOG4J_OPTS",
    "JVMFLAGS",
    "SERVER_JVMFLAGS",
    "NODE_OPTIONS",
    "NODE_PATH",
    "NODE_ENV",
    "NODE_DEBUG",
    "NODE_EXTRA_CA_CERTS",
    "NODE_TLS_REJECT_UNAUTHORIZED",
    "ERL_FLAGS",
    "ERL_AFLAGS",
    "ERL_ZFLAGS",
    "ERL_LIBS",
    "ERL_INETRC",
    "ERL_MAX_PORTS",
    "ERL_CRASH_DUMP",
    "ERL_EPMD_ADDRESS",
    "ERL_EPMD_PORT",
    "ROOTDIR",
    "BINDIR",
    "EMU",
    "COUCHDB_FAUXTON_DOCROOT",
    "COUCHDB_QUERY_SERVER_JAVASCRIPT",
    "COUCHDB_QUERY_SERVER_COFFEESCRIPT",
    "COUCHDB_NATIVE_QUERY_SERVERS",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "LD_LIBRARY_PATH",
    "COLUMNS",
    "LINES",
    "XDG_CONFIG_HOME",
];

/// The file of a service's certificate and its key, in its directory.
const CERTIFICATE: &str = "certificate.pem";
/// The file of the authority's certificate.
pub(super) const AUTHORITY: &str = "authority.pem";

/// Where a service finds them.
#[derive(Serialize)]
pub(super) struct Certificates {
    /// Its own, with the key.
    certificate: String,
    /// That of the authority.
    authority: String,
}

/// What is gathered for one service of a node.
pub(super) struct Service<'a> {
    pub(super) place: Place,
    component: &'static dyn Component,
    context: &'a Context<'a>,
    node: &'a Node,
    user: String,
    data: Option<String>,
    temporary: Option<String>,
    actions: Vec<Action>,
}

/// What all units are rendered from, beside their own values.
#[derive(Serialize)]
struct Unit<'a, T> {
    description: String,
    names: String,
    after: Vec<String>,
    user: &'a str,
    data: Option<&'a str>,
    temporary: Option<&'a str>,
    unset: &'static [&'static str],
    reads: Vec<String>,
    record: String,
    #[serde(flatten)]
    own: &'a T,
}

impl<'a> Service<'a> {
    /// Begins a service with its user and the directory of its configuration.
    pub(super) fn new(
        context: &'a Context<'a>,
        node: &'a Node,
        component: &'static dyn Component,
    ) -> Self {
        let place = Place::new(context.topology, component.name());
        Self::named(context, node, component, place)
    }

    /// As [`Service::new`], for one of several things of a component's that each have a name of their own.
    pub(super) fn named(
        context: &'a Context<'a>,
        node: &'a Node,
        component: &'static dyn Component,
        place: Place,
    ) -> Self {
        let user = place.user();
        Self::of_user(context, node, component, place, user, false)
    }

    /// As [`Service::new`], with the user that a package brings.
    pub(super) fn packaged(
        context: &'a Context<'a>,
        node: &'a Node,
        component: &'static dyn Component,
        user: &str,
    ) -> Self {
        let place = Place::new(context.topology, component.name());
        Self::of_user(context, node, component, place, user.to_owned(), true)
    }

    /// As [`Service::packaged`], for a package that needs no file of ours beside the drop-in.
    pub(super) fn of_package(
        context: &'a Context<'a>,
        node: &'a Node,
        component: &'static dyn Component,
    ) -> Self {
        Self {
            actions: Vec::new(),
            ..Self::packaged(context, node, component, "")
        }
    }

    fn of_user(
        context: &'a Context<'a>,
        node: &'a Node,
        component: &'static dyn Component,
        place: Place,
        user: String,
        packaged: bool,
    ) -> Self {
        let actions = vec![
            Action::CreateUser {
                user: user.clone(),
                home: place.data(),
                packaged,
            },
            configuration_directory(&place, &user),
        ];
        Self {
            place,
            component,
            context,
            node,
            user,
            data: None,
            temporary: None,
            actions,
        }
    }

    /// Adds the directory of its data, the only one it may write to.
    pub(super) fn data_directory(&mut self) {
        // Most only remember how far they came.
        self.writes_to_data(self.component.holds_data());
    }

    /// As [`Service::data_directory`], and what is there is nowhere else, whatever its role.
    pub(super) fn kept_directory(&mut self) {
        self.writes_to_data(true);
    }

    fn writes_to_data(&mut self, data: bool) {
        self.actions.push(Action::CreateDirectory {
            path: self.place.data(),
            access: Access::user(&self.user, 0o750),
            data,
        });
        self.data = Some(self.place.data());
    }

    /// Adds a directory of its own for what it unpacks and executes: `/tmp` may be a place that nothing is executed from.
    pub(super) fn temporary_directory(&mut self) -> String {
        let path = self.place.temporary();
        self.actions.push(Action::CreateDirectory {
            path: path.clone(),
            access: Access::user(&self.user, 0o700),
            data: false,
        });
        self.temporary = Some(path.clone());
        path
    }

    /// Adds an action as it is.
    pub(super) fn add(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Adds actions as they are.
    pub(super) fn extend(&mut self, actions: Vec<Action>) {
        self.actions.extend(actions);
    }

    /// Adds a file of its configuration.
    pub(super) fn file(&mut self, name: &str, content: Content) {
        self.actions
            .push(configuration_file(&self.place, &self.user, name, content));
    }

    /// Adds a file of its configuration that a command accepts first, as the service's user.
    pub(super) fn judged_file(&mut self, name: &str, content: Content, command: Vec<String>) {
        let mut action = configuration_file(&self.place, &self.user, name, content);
        if let Action::WriteFile { judge, .. } = &mut action {
            let user = self.user.clone();
            *judge = Some(Judge { user, command });
        }
        self.actions.push(action);
    }

    /// Adds its certificate, with the key; the path.
    pub(super) fn certificate(&mut self) -> String {
        let secrets = self.context.secrets;
        let own = authority::of_service(secrets, &self.node.name, self.component.name());
        self.file(CERTIFICATE, Content::secret(own));
        self.place.file(CERTIFICATE)
    }

    /// Adds its certificate, and that of the authority by which it knows others.
    pub(super) fn certificates(&mut self) -> Certificates {
        let certificate = self.certificate();
        let known = authority::certificate(self.context.secrets);
        self.file(AUTHORITY, Content::open(known));
        let authority = self.place.file(AUTHORITY);
        Certificates {
            certificate,
            authority,
        }
    }

    /// Ends with the unit: all that was added is recorded at each start.
    pub(super) fn unit(
        self,
        template: &str,
        own: &impl Serialize,
    ) -> Result<Vec<Action>, TemplateError> {
        let unit = self.place.unit();
        let path = place::unit_file(&unit);
        self.end(template, own, &unit, path)
    }

    /// As [`Service::unit`], but as a drop-in for the unit that a package brings.
    pub(super) fn drop_in(
        self,
        template: &str,
        own: &impl Serialize,
        unit: &str,
    ) -> Result<Vec<Action>, TemplateError> {
        let path = place::drop_in(unit);
        self.end(template, own, unit, path)
    }

    /// Ends without a unit.
    pub(super) fn without_unit(self) -> Vec<Action> {
        self.actions
    }

    fn end(
        mut self,
        template: &str,
        own: &impl Serialize,
        unit: &str,
        path: String,
    ) -> Result<Vec<Action>, TemplateError> {
        let mut reads: Vec<String> = checksums(&self.actions).into_keys().collect();
        reads.push(path.clone());
        let text = render(
            template,
            &Unit {
                description: format!(
                    "{} of the deployment {}",
                    self.place.name(),
                    self.context.topology.name
                ),
                names: hosts_table::unit(&self.context.topology.name),
                after: earlier_units(self.context, self.node, self.component),
                user: &self.user,
                data: self.data.as_deref(),
                temporary: self.temporary.as_deref(),
                unset: UNSET,
                reads,
                record: loaded_record(unit),
                own,
            },
        )?;
        self.actions.push(Action::WriteFile {
            path,
            content: Content::open(text),
            access: Access::root("root", 0o644),
            judge: None,
        });
        Ok(self.actions)
    }
}

/// The directory of a role's configuration, readable by the group.
fn configuration_directory(place: &Place, group: &str) -> Action {
    Action::CreateDirectory {
        path: place.directory(),
        access: Access::root(group, 0o750),
        data: false,
    }
}

/// A role's files for the deployer's own use, where there is no service of it.
pub(super) fn tool(place: &Place, files: Vec<Action>) -> Vec<Action> {
    let mut actions = vec![configuration_directory(place, "root")];
    actions.extend(files);
    actions
}

/// A file of a role's configuration, readable by the group.
pub(super) fn configuration_file(
    place: &Place,
    group: &str,
    name: &str,
    content: Content,
) -> Action {
    Action::WriteFile {
        path: place.file(name),
        content,
        access: Access::root(group, 0o640),
        judge: None,
    }
}

/// Starts a unit and waits for its ports.
pub(super) fn start(
    unit: &str,
    reads: &BTreeMap<String, String>,
    finishes: Option<String>,
    ports: &[u16],
) -> Vec<Action> {
    let start = Action::StartUnit {
        unit: unit.to_owned(),
        reads: reads.clone(),
        finishes,
        foreign: false,
    };
    let waits = ports.iter().map(|port| Action::WaitForPort {
        port: *port,
        unit: unit.to_owned(),
        seconds: PORT_SECONDS,
    });
    std::iter::once(start).chain(waits).collect()
}

/// The units of a node that start before that of a component.
fn earlier_units(
    context: &Context<'_>,
    node: &Node,
    component: &'static dyn Component,
) -> Vec<String> {
    of_node(node, context.topology)
        .take_while(|earlier| earlier.name() != component.name())
        .flat_map(|earlier| earlier.units(node, context.topology, context.choices))
        .collect()
}

/// Uploads one of our own binaries.
pub(super) fn upload(
    context: &Context<'_>,
    key: &str,
    template: &str,
) -> Result<Action, TemplateError> {
    let sha256 = context
        .artifact(key, template)?
        .sha256
        .clone()
        .ok_or_else(|| TemplateError {
            name: template.to_owned(),
            source: tera::Error::message(format!(
                "the checksum of the artifact `{key}` is not known"
            )),
        })?;
    Ok(Action::UploadFile {
        artifact: key.to_owned(),
        sha256,
        path: place::program(context.topology, key),
        access: Access::root("root", 0o755),
    })
}

/// Unpacks an archive. On clouds whose machines are nearer to its source than to the operator they fetch it themselves.
pub(super) fn unpack(
    context: &Context<'_>,
    node: &Node,
    key: &str,
    path: String,
    template: &str,
) -> Result<Action, TemplateError> {
    let artifact = context.artifact(key, template)?;
    let download = artifact.download.as_ref();
    Ok(Action::UnpackArchive {
        artifact: key.to_owned(),
        identity: artifact.identity.clone(),
        path,
        access: Access::root("root", 0o755),
        download: download.filter(|_| node.cloud.is_sold()).cloned(),
        programs: Vec::new(),
    })
}

/// The group that reads a role's files on a node: the service's own, or root's where only the deployer uses them.
pub(super) fn group(topology: &Topology, node: &Node, component: &'static str) -> String {
    if node.has(component) {
        Place::new(topology, component).user()
    } else {
        "root".to_owned()
    }
}
