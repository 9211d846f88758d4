//! A workbench for any cloud: a deployment that is wanted, a notebook in memory, and the caller's loop over the steps of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use deployer::cloud::{
    Cloud, CloudError, CloudPlan, CloudStep, Notes, Progress, Wanted, WantedMachine,
};
use deployer::machine::Machine;
use deployer::secret::Secret;
use futures_util::future::join_all;

/// Notes as the journal keeps them, without the disk.
#[derive(Default)]
pub(crate) struct Notebook(pub Mutex<BTreeMap<String, String>>);

impl Notes for Notebook {
    fn get(&self, key: &str) -> Option<String> {
        self.0.lock().expect("notes").get(key).cloned()
    }

    fn record(&self, key: &str, value: &str) -> Result<(), CloudError> {
        self.0
            .lock()
            .expect("notes")
            .insert(key.into(), value.into());
        Ok(())
    }
}

/// What was said on the way.
#[derive(Default)]
pub(crate) struct Lines(pub Mutex<Vec<String>>);

impl Progress for Lines {
    fn line(&self, node: Option<&str>, line: &str) {
        self.0
            .lock()
            .expect("lines")
            .push(format!("{}: {line}", node.unwrap_or("all")));
    }
}

/// A deployment and what is known of it.
pub(crate) struct Deployment {
    pub wanted: Wanted,
    pub notes: Notebook,
    pub lines: Lines,
    /// Nodes whose machines were made, as the receipt has them.
    pub made: Mutex<BTreeSet<String>>,
}

pub(crate) fn machine(node: &str, memory_mib: u64) -> WantedMachine {
    WantedMachine {
        node: node.into(),
        memory_mib,
        open: false,
        profile: None,
        host_key: Secret::new(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nnot a key\n-----END OPENSSH PRIVATE KEY-----\n",
        ),
        host_key_public: "ssh-ed25519 AAAAhost".into(),
    }
}

/// A public key.
pub(crate) const USER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl deployer";

impl Deployment {
    pub(crate) fn new(id: &str, nodes: &[&str]) -> Self {
        let machines = nodes
            .iter()
            .map(|node| ((*node).to_owned(), machine(node, 2048)));
        Self {
            wanted: Wanted {
                id: id.into(),
                deployment: "demo".into(),
                machines: machines.collect(),
                user_key: USER_KEY.into(),
                user_key_path: Some("/home/me/key".into()),
                owner: "me@box".into(),
                ..Wanted::default()
            },
            notes: Notebook::default(),
            lines: Lines::default(),
            made: Mutex::default(),
        }
    }

    /// What is wanted, with the notes as they are now.
    pub(crate) fn want(&self, nothing: bool) -> Wanted {
        let mut wanted = self.wanted.clone();
        wanted.notes = self.notes.0.lock().expect("notes").clone();
        wanted.made.clone_from(&self.made.lock().expect("made"));
        if nothing {
            wanted.machines.clear();
        }
        wanted
    }

    pub(crate) async fn plan(&self, cloud: &dyn Cloud) -> Result<CloudPlan, CloudError> {
        cloud.plan(&self.want(false)).await
    }

    /// Plans and does all of it; the machines that run then.
    pub(crate) async fn up(
        &self,
        cloud: &dyn Cloud,
    ) -> Result<BTreeMap<String, Machine>, CloudError> {
        let plan = self.plan(cloud).await?;
        let made = self.run(cloud, &plan.steps, false).await?;
        Ok(plan
            .machines
            .into_iter()
            .chain(made)
            .map(|machine| (machine.node.clone(), machine))
            .collect())
    }

    /// Takes all away; what is left.
    pub(crate) async fn teardown(&self, cloud: &dyn Cloud) -> Result<Vec<String>, CloudError> {
        let plan = cloud.plan(&self.want(true)).await?;
        self.run(cloud, &plan.steps, true).await?;
        cloud.leftovers(&self.wanted.id).await
    }

    /// Does steps as the runner does: neighbours of the same stage at the same time.
    pub(crate) async fn run(
        &self,
        cloud: &dyn Cloud,
        steps: &[CloudStep],
        nothing: bool,
    ) -> Result<Vec<Machine>, CloudError> {
        let mut machines = Vec::new();
        for stage in steps.chunk_by(|one, next| one.stage == next.stage) {
            let wanted = self.want(nothing);
            let queues = stage
                .iter()
                .map(|step| cloud.apply(&wanted, step, &self.notes, &self.lines));
            for result in join_all(queues).await {
                let machine = result?.machine;
                let node = machine.iter().map(|machine| machine.node.clone());
                self.made.lock().expect("made").extend(node);
                machines.extend(machine);
            }
        }
        Ok(machines)
    }
}

/// A plan as a reader sees it.
pub(crate) fn words(plan: &CloudPlan) -> String {
    let mut lines: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            let node = step.node.as_ref().map(|node| format!("{node}: "));
            let loses = step.loses.as_ref().map(|loses| format!(" LOSES {loses}"));
            let (node, loses) = (node.unwrap_or_default(), loses.unwrap_or_default());
            format!("[{}] {node}{}{loses}", step.stage, step.words)
        })
        .collect();
    let named = |name: &str, set: &BTreeSet<String>| {
        let all: Vec<&str> = set.iter().map(String::as_str).collect();
        (!set.is_empty()).then(|| format!("{name}: {}", all.join(", ")))
    };
    lines.extend(named("orphans", &plan.orphans));
    lines.extend(named("lost", &plan.lost));
    lines.extend(
        plan.machines
            .iter()
            .map(|machine| format!("runs: {} {}", machine.node, machine.id)),
    );
    lines.extend(plan.expires.map(|time| format!("expires: {time}")));
    lines.join("\n")
}
