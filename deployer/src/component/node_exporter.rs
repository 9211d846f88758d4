//! Prometheus' node exporter: Debian's package on every node where the inventory asks for it. It tells members how the machine is;
//! where security is on by TLS, and only those who know its password.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::service::Service;
use super::{
    Component, Context, Disk, Form, KnownAs, Memory, NewSecret, Port, Reach, Renewal, Unfit,
};
use crate::facts::System;
use crate::inventory::Section;
use crate::receipt::Choices;
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Topology};

/// The component.
pub struct NodeExporter;

/// Its name.
pub const NAME: &str = "node-exporter";

const SECTION: &str = "monitoring";
const PACKAGE: &str = "prometheus-node-exporter";
/// The unit that the package brings.
const UNIT: &str = "prometheus-node-exporter.service";
/// The user that it brings.
const PACKAGE_USER: &str = "prometheus";

/// Whom it answers, where security is on.
const USER: &str = "monitor";
const CONFIG: &str = "web.yml";
const PASSWORD: &str = "password";
const HASH: &str = "hash";
const SECRETS: &[NewSecret] = &[
    NewSecret {
        key: PASSWORD,
        form: Form::Password,
        known_as: Some(KnownAs {
            name: USER,
            about: "asks the node exporters",
            is_password: true,
            by_security: true,
            renewal: Renewal::Rolling,
        }),
    },
    NewSecret {
        key: HASH,
        form: Form::Hash {
            of: PASSWORD,
            by: hash,
        },
        known_as: None,
    },
];

/// How often the password is hashed, as a power of two: the least there is, because nobody guesses 190 random bits, and each question
/// costs a hash.
const COST: u32 = 4;

/// A password as the exporter is given it. Of the salt, in hex, it takes as many bytes as bcrypt wants.
fn hash(password: &str, salt: &str) -> String {
    let mut bytes = [0; 16];
    for (byte, given) in bytes.iter_mut().zip(salt.bytes()) {
        *byte = given;
    }
    let hashed = bcrypt::hash_with_salt(password, COST, bytes);
    hashed.expect("a cost that bcrypt has").to_string()
}

/// What watches machines and services.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(extend("additionalProperties" = false))]
struct Monitoring {
    /// Prometheus' node exporter on every node: Debian's package.
    node_exporter: bool,
    /// The port at which members of the deployment ask it.
    #[schemars(range(min = 1024))]
    node_exporter_port: u16,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            node_exporter: false,
            node_exporter_port: 9100,
        }
    }
}

#[derive(Serialize)]
struct Process {
    listen: String,
    config: Option<String>,
}

/// Whom it answers, and how.
#[derive(Serialize)]
struct Web<'a> {
    certificate: String,
    user: &'a str,
    hash: &'a str,
}

fn monitoring(topology: &Topology) -> &Monitoring {
    topology.sections.get()
}

impl Component for NodeExporter {
    fn name(&self) -> &'static str {
        NAME
    }

    fn title(&self) -> &'static str {
        "node exporter"
    }

    fn about(&self) -> &'static str {
        "Tells how its machine is."
    }

    fn is_role(&self) -> bool {
        false
    }

    fn shows_certificate(&self) -> bool {
        true
    }

    fn secrets(&self) -> &'static [NewSecret] {
        SECRETS
    }

    fn package_user(&self) -> Option<&'static str> {
        Some(PACKAGE_USER)
    }

    fn sections(&self) -> Vec<Section> {
        vec![Section::of::<Monitoring>(SECTION)]
    }

    fn is_on(&self, _: &Node, topology: &Topology) -> bool {
        monitoring(topology).node_exporter
    }

    fn memory(&self, _: &Node, _: &Topology) -> Memory {
        Memory {
            heap: None,
            beside: 24,
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
            number: monitoring(topology).node_exporter_port,
            key: "monitoring.node_exporter_port",
            reach: Reach::Members,
        }]
    }

    fn unfit(&self, system: &System, context: &Context<'_>) -> Vec<Unfit> {
        self.unfit_image(system, context.topology)
            .into_iter()
            .collect()
    }

    fn unfit_image(&self, system: &System, topology: &Topology) -> Option<Unfit> {
        let old = matches!(
            (system.os.as_str(), system.version.as_str()),
            ("debian", "11") | ("ubuntu", "20.04" | "22.04")
        );
        (old && topology.security.is_on()).then(|| Unfit {
            what: "its node exporter is too old to be told whom it may answer".to_owned(),
            hint: format!(
                "leave `{SECTION}.node_exporter` out, or use Debian 12 or 13, or Ubuntu 24.04"
            ),
        })
    }

    fn unit(&self, _: &Topology, _: &Choices) -> String {
        UNIT.to_owned()
    }

    /// The package last: it starts its service at once, which must listen where we say.
    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let port = monitoring(context.topology).node_exporter_port;
        let address = match context.everywhere() {
            "::" => "[::]",
            all => all,
        };
        let (mut service, mut config) = (Service::of_package(context, node, &Self), None);
        if context.topology.security.is_on() {
            service = Service::packaged(context, node, &Self, PACKAGE_USER);
            let web = Web {
                certificate: service.certificate(),
                user: USER,
                hash: context.secrets.get(NAME, HASH),
            };
            let web = render("node-exporter/web.yml", &web)?;
            service.file(CONFIG, Content::secret(web));
            config = Some(service.place.file(CONFIG));
        }
        let process = Process {
            listen: format!("{address}:{port}"),
            config,
        };
        let mut actions = service.drop_in("node-exporter/package.conf", &process, UNIT)?;
        actions.push(Action::InstallPackages {
            packages: vec![PACKAGE.to_owned()],
        });
        Ok(actions)
    }
}

#[cfg(test)]
mod tests {
    use super::hash;

    #[test]
    fn a_hash_is_that_of_its_password_and_salt() {
        let made = hash("password", "00112233445566778899aabbccddeeff");
        assert!(made.starts_with("$2b$04$"), "{made}");
        assert_eq!(bcrypt::verify("password", &made).ok(), Some(true));
        assert_eq!(bcrypt::verify("Password", &made).ok(), Some(false));
        assert_ne!(made, hash("password", "ff112233445566778899aabbccddeeff"));
    }
}
