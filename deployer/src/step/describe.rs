//! What an action does, in one line: verb and object, never a secret.

use std::fmt::Display;

use super::{Action, Manifest};

impl Action {
    /// Says in one line what the action does: verb and object. Holds no secret and no line break of its own making.
    #[deny(clippy::wildcard_enum_match_arm)]
    pub fn describe(&self) -> String {
        match self {
            Self::WriteManifest { manifest } => {
                format!(
                    "write the manifest {}",
                    Manifest::path(&manifest.deployment)
                )
            }
            Self::InstallPackages { packages } => {
                format!("install {}", counted(packages.len(), "package"))
                    + &format!(": {}", listed(packages))
            }
            Self::InstallFromRepository(wanted) => {
                format!("install {} from {}", wanted.software, wanted.repository)
            }
            Self::CreateUser { user, .. } => format!("create user {user}"),
            Self::CreateDirectory { path, .. } => format!("create directory {path}"),
            Self::OpenDirectories { paths } => {
                format!("open the directories {} to all", listed(paths))
            }
            Self::LinkFile { path, .. } => format!("link {path}"),
            Self::WriteFile { path, .. } => format!("write {path}"),
            Self::SeedFile { path, .. } => format!("write {path} where there is none"),
            Self::UploadFile { artifact, path, .. } => format!("copy {artifact} to {path}"),
            Self::UnpackArchive { artifact, path, .. } => format!("unpack {artifact} into {path}"),
            Self::WriteHostsTable { block, .. } => format!("write block {block} of /etc/hosts"),
            Self::WriteFirewall { table, ports, .. } => {
                format!(
                    "write firewall table {table} for {}: {}",
                    plural(ports.len(), "port"),
                    listed(ports)
                )
            }
            Self::StartUnit { unit, .. } => format!("start {unit}"),
            Self::WaitForPort { port, .. } => format!("wait for port {port}"),
            Self::CallTool { words, .. } => words.clone(),
            Self::WriteStateCopy { .. } => "write the encrypted copy of the state".into(),
            Self::StopUnit { unit } => format!("stop {unit}"),
            Self::RemoveFile { path } => format!("remove {path}"),
            Self::RemoveDirectory { path, data: false } => format!("remove directory {path}"),
            Self::RemoveDirectory { path, data: true } => {
                format!("remove directory {path} and the data in it")
            }
            Self::RemoveEmptyDirectory { path } => {
                format!("remove directory {path} where it is empty")
            }
            Self::RemoveUser { user } => format!("remove user {user}"),
            Self::RemoveHostsTable { block } => format!("remove block {block} of /etc/hosts"),
            Self::RemoveFirewall { table } => format!("remove firewall table {table}"),
        }
    }
}

fn listed<T: Display>(things: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = things.into_iter().map(|thing| thing.to_string()).collect();
    words.join(", ")
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        noun.into()
    } else {
        format!("{noun}s")
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {}", plural(count, noun))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::secret::Secret;
    use crate::step::{Access, Action, Content, FromRepository, Tool};

    #[test]
    fn says_verb_and_object() {
        let packages = Action::InstallPackages {
            packages: vec!["procps".into(), "openjdk-17-jre-headless | java17".into()],
        };
        assert_eq!(
            packages.describe(),
            "install 2 packages: procps, openjdk-17-jre-headless | java17"
        );
    }

    #[test]
    fn never_says_a_secret() {
        let tool = Tool {
            program: "/opt/consumer".into(),
            config: "/etc/consumer.toml".into(),
            login: Some(Secret::new("hunter2")),
        };
        let actions = [
            Action::WriteFile {
                path: "/etc/password".into(),
                content: Content::secret("hunter2"),
                access: Access::root("root", 0o600),
                judge: None,
            },
            Action::InstallFromRepository(FromRepository {
                software: "CouchDB".into(),
                package: "couchdb".into(),
                place: "/opt/x".into(),
                oldest: "3".into(),
                because: "is too old".into(),
                other_key: "couchdb.repository_key".into(),
                repository: "https://example.org".into(),
                key: Content::open("a key"),
                answers: Content::secret("hunter2"),
                forgotten: Vec::new(),
            }),
            Action::CallTool {
                component: "app".into(),
                words: "prepare all".into(),
                tool,
                arguments: vec!["prepare".into()],
                input: Content::secret("hunter2"),
                seconds: 1,
                waits: false,
                wanted: serde_json::Value::Null,
                reads: BTreeMap::new(),
            },
        ];
        for action in actions {
            assert!(!action.describe().contains("hunter2"), "{action:?}");
        }
    }
}
