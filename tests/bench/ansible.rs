//! An Ansible play that is equal to an unchanged `up`: it checks the same things on the same machines.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use deployer::step::{ARCHIVE_MARKER, Item, Manifest};
use serde_json::{Value, json};

use crate::lab::{Lab, finished, timed, write};

/// What pip is asked for.
const ANSIBLE: &str = "ansible-core>=2.15,<2.20";

/// A play that is ready to run.
pub(crate) struct Play {
    program: PathBuf,
    version: String,
    tasks: usize,
    hosts: usize,
}

impl Play {
    /// Gets Ansible, gives the machines what it needs there, and writes the play.
    pub(crate) fn prepare(lab: &Lab) -> Result<Self, String> {
        let program = ansible()?;
        let version = finished(Command::new(&program).arg("--version"))?.stdout;
        let version = String::from_utf8_lossy(&version);
        let version = version.lines().next().unwrap_or_default().to_owned();
        let addresses = lab.addresses()?;
        let mut hosts = BTreeMap::new();
        for (node, address) in &addresses {
            hosts.insert(node.clone(), host(lab, node, address)?);
        }
        let tasks = tasks();
        let count = tasks.len();
        let play = json!([{
            "hosts": "all", "gather_facts": false, "tasks": tasks,
        }]);
        write(
            &lab.path("hosts.json"),
            json!({"all": {"hosts": hosts}}).to_string(),
        )?;
        write(&lab.path("play.yml"), play.to_string())?;
        let play = Self {
            program,
            version,
            tasks: count,
            hosts: addresses.len(),
        };
        // The first run makes the connections.
        play.run(lab)?;
        Ok(play)
    }

    /// What it is, in words.
    pub(crate) fn words(&self) -> String {
        format!("{} tasks by {}", self.tasks, self.version)
    }

    /// Runs it; it must find nothing to do.
    pub(crate) fn run(&self, lab: &Lab) -> Result<Duration, String> {
        let mut command = Command::new(&self.program);
        let ssh = format!(
            "-F {} -o ControlMaster=auto -o ControlPersist=600s",
            lab.ssh_config().display()
        );
        command
            .arg("-i")
            .arg(lab.path("hosts.json"))
            .arg(lab.path("play.yml"))
            .env("ANSIBLE_FORKS", self.hosts.to_string())
            .env("ANSIBLE_PIPELINING", "True")
            .env("ANSIBLE_SSH_ARGS", ssh)
            .env("ANSIBLE_SSH_CONTROL_PATH_DIR", lab.path("run/a"))
            .env("ANSIBLE_HOME", lab.path("ansible"))
            .env("LC_ALL", "C.UTF-8");
        let run = timed(&mut command)?;
        let recap: Vec<&str> = run
            .stdout
            .lines()
            .filter(|line| line.contains("changed="))
            .collect();
        if recap.len() == self.hosts && recap.iter().all(|line| line.contains(" changed=0 ")) {
            return Ok(run.took);
        }
        Err(format!(
            "an unchanged play changed something:\n{}",
            run.stdout
        ))
    }
}

/// Ansible in a Python environment of its own, kept with the build.
fn ansible() -> Result<PathBuf, String> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ansible");
    let program = directory.join("bin/ansible-playbook");
    if !program.exists() {
        finished(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&directory),
        )?;
        let mut install = Command::new(directory.join("bin/pip"));
        finished(install.args(["install", "--quiet", ANSIBLE]))?;
    }
    Ok(program)
}

/// What is on a machine because of `up`, as variables of its host.
fn host(lab: &Lab, node: &str, address: &str) -> Result<Value, String> {
    let install = "apt-get -q -y install python3 python3-apt || { apt-get -q update && apt-get -q -y install python3 python3-apt; }";
    lab.on(address, &[install])?;
    let path = Manifest::path("figures");
    let manifest: Manifest = serde_json::from_slice(&lab.on(address, &["cat", &path])?)
        .map_err(|error| format!("{node}: {path}: {error}"))?;
    let local = lab.path("files").join(node);
    let (mut files, mut directories) = (vec![file(lab, address, &local, &path)?], Vec::new());
    let (mut users, mut units) = (Vec::new(), Vec::new());
    let mut packages = vec!["procps"];
    for item in &manifest.items {
        match item {
            Item::File { path } => files.push(file(lab, address, &local, path)?),
            Item::Directory { path, .. } => {
                let marker = format!("{path}/{ARCHIVE_MARKER}");
                if lab.on(address, &["test", "-f", &marker]).is_ok() {
                    files.push(file(lab, address, &local, &marker)?);
                }
                directories.push(access(lab, address, path)?);
            }
            Item::User { user } => users.push(user.clone()),
            Item::Unit { unit } => units.push(unit.clone()),
            Item::HostsTable { .. } => {}
            Item::Firewall { table } => return Err(format!("{node}: a firewall, {table}")),
        }
    }
    let mut ports = Vec::new();
    for (unit, port, package) in [
        ("figures-zookeeper.service", 2181, "openjdk-17-jre-headless"),
        ("figures-kafka.service", 9092, "openjdk-17-jre-headless"),
        ("figures-couchdb.service", 5984, "nodejs"),
    ] {
        if units.iter().any(|known| known == unit) {
            ports.push(port);
            packages.push(package);
        }
    }
    packages.sort_unstable();
    packages.dedup();
    let hosts = lab.on(address, &["cat", "/etc/hosts"])?;
    let hosts = String::from_utf8_lossy(&hosts);
    let names: Vec<&str> = hosts
        .lines()
        .filter(|line| line.contains(".internal"))
        .collect();
    let asks = units.iter().any(|unit| unit == "figures-consumer.service");
    Ok(json!({
        "ansible_host": address,
        "ansible_python_interpreter": "/usr/bin/python3",
        "packages": packages, "users": users, "directories": directories, "files": files,
        "units": units, "ports": ports, "names": names, "asks": asks,
    }))
}

/// Fetches a file, so that the play can compare its content, and says whose it is.
fn file(lab: &Lab, address: &str, local: &Path, path: &str) -> Result<Value, String> {
    let copy = local.join(path.trim_start_matches('/'));
    if let Some(parent) = copy.parent() {
        std::fs::create_dir_all(parent)
            .map_err(|error| format!("{}: {error}", parent.display()))?;
    }
    write(&copy, lab.on(address, &["cat", path])?)?;
    let mut file = access(lab, address, path)?;
    file["source"] = json!(copy);
    Ok(file)
}

fn access(lab: &Lab, address: &str, path: &str) -> Result<Value, String> {
    let said = lab.on(address, &["stat", "-c", "%U:%G:%a", path])?;
    let said = String::from_utf8_lossy(&said);
    let words: Vec<&str> = said.trim().split(':').collect();
    match words[..] {
        [owner, group, mode] => Ok(json!({
            "path": path, "owner": owner, "group": group, "mode": format!("0{mode}"),
        })),
        _ => Err(format!("{path}: {said}")),
    }
}

/// The tasks, each over the items of its kind.
fn tasks() -> Vec<Value> {
    let access = |mut arguments: Value| {
        for key in ["owner", "group", "mode"] {
            arguments[key] = json!(format!("{{{{ item.{key} }}}}"));
        }
        arguments
    };
    vec![
        json!({"apt": {"name": "{{ packages }}", "state": "present"}}),
        json!({
            "lineinfile": {"path": "/etc/hosts", "line": "{{ item }}"},
            "loop": "{{ names }}",
        }),
        json!({
            "user": {"name": "{{ item }}", "system": true, "create_home": false},
            "loop": "{{ users }}",
        }),
        json!({
            "file": access(json!({"path": "{{ item.path }}", "state": "directory"})),
            "loop": "{{ directories }}",
        }),
        json!({
            "copy": access(json!({"src": "{{ item.source }}", "dest": "{{ item.path }}"})),
            "loop": "{{ files }}",
        }),
        json!({
            "systemd": {"name": "{{ item }}", "state": "started", "enabled": true},
            "loop": "{{ units }}",
        }),
        json!({"wait_for": {"port": "{{ item }}"}, "loop": "{{ ports }}"}),
        json!({
            "command": {"argv": [
                "/opt/deployer/figures/bin/consumer", "--config", "/etc/deployer/figures/consumer/consumer.toml", "inspect",
            ]},
            "changed_when": false,
            "when": "asks",
        }),
    ]
}
