//! Apache's package of CouchDB: its repository, the key that signs it, and the systems that it is for.

use super::secrets::{COOKIE_QUESTION, answers};
use super::{Couchdb, Distribution, NAME, RELEASE, section, settings};
use crate::component::repository_key::RepositoryKey;
use crate::component::service::Service;
use crate::component::{Context, Unfit};
use crate::facts::System;
use crate::step::{Action, Content, FromRepository};
use crate::template::TemplateError;
use crate::topology::{Node, Topology};

/// Apache's package repository for CouchDB.
pub const REPOSITORY: &str = "https://apache.jfrog.io/artifactory/couchdb-deb";
/// Apache's package.
pub const PACKAGE: &str = "couchdb";
/// The oldest CouchDB that understands the administrator's password as it is given to it: `-pbkdf2:sha256-…`.
pub const OLDEST: &str = "3.4";
/// The unit and the user that Apache's package brings.
pub(super) const UNIT: &str = "couchdb.service";
pub(super) const USER: &str = "couchdb";

const DROP_IN: &str = "couchdb/package.conf";

/// The key of Apache's packages, as it lies at couchdb.apache.org/repo/keys.asc.
pub const KEY: &[u8] = include_bytes!("data/apache.asc");
/// Its fingerprint.
pub const FINGERPRINT: &str = "390EF70BB1EA12B2773962950EE62FB37A00258D";

/// Apache's package: its user comes first, so that our files can be its own, and the package last, because it starts
/// the service at once. The repository's key is in this program or named by the inventory: nodes fetch none.
pub(super) fn install(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let mut service = Service::packaged(context, node, &Couchdb, USER);
    let more = &section(context.topology).settings;
    let process = settings(&mut service, context, USER, more)?;
    let mut actions = service.drop_in(DROP_IN, &process, UNIT)?;
    actions.push(Action::InstallFromRepository(FromRepository {
        software: "CouchDB".to_owned(),
        package: PACKAGE.to_owned(),
        place: RELEASE.to_owned(),
        oldest: OLDEST.to_owned(),
        because: "does not know our kind of password".to_owned(),
        other_key: "couchdb: { repository_key: FILE }".to_owned(),
        repository: repository(context.topology).to_owned(),
        key: Content::open(context.key(NAME, DROP_IN)?.armoured()),
        answers: answers(context.secrets),
        forgotten: vec![COOKIE_QUESTION.to_owned()],
    }));
    Ok(actions)
}

/// Why Apache has no package of CouchDB for a system.
pub fn none_for(system: &System) -> Option<Unfit> {
    const ARCHIVE: &str = "or `couchdb: { distribution: archive, archive: FILE }`";
    let ubuntu = system.os == "ubuntu";
    let (what, hint) = if ubuntu && system.version == "20.04" {
        ("Ubuntu 20.04", "use a newer release")
    } else if ubuntu && system.architecture == "aarch64" {
        (
            "Ubuntu on arm64",
            "use an image of Debian, machines of x86_64",
        )
    } else {
        return None;
    };
    Some(Unfit {
        what: format!("Apache has no CouchDB package for {what}"),
        hint: format!("{hint}, {ARCHIVE}"),
    })
}

/// Why Apache has no package for a machine that a cloud will make; of another repository nobody knows.
pub(super) fn unfit_image(system: &System, topology: &Topology) -> Option<Unfit> {
    let packaged = matches!(
        section(topology).distribution,
        Distribution::Auto | Distribution::Apache
    );
    none_for(system).filter(|_| packaged && repository(topology) == REPOSITORY)
}

/// The package repository of a deployment.
pub fn repository(topology: &Topology) -> &str {
    let other = section(topology).repository.as_deref();
    other.unwrap_or(REPOSITORY).trim_end_matches('/')
}

/// The key that signs it.
pub(super) fn key(topology: &Topology) -> RepositoryKey<'_> {
    RepositoryKey {
        makers: "Apache",
        bytes: KEY,
        fingerprint: FINGERPRINT,
        key: "couchdb.repository_key",
        file: section(topology).repository_key.as_deref(),
    }
}
