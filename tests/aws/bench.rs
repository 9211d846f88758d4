//! A workbench: a deployment that is wanted, a notebook in memory, and the caller's loop over the steps of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use deployer::cloud::aws::{Aws, Settings, client, wait::Pace};
use deployer::cloud::{
    Cloud as _, CloudError, CloudPlan, CloudStep, Notes, Progress, Wanted, WantedMachine,
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

/// A deployment and all that is needed to bring it about.
pub(crate) struct Bench {
    pub url: String,
    pub region: String,
    pub wanted: Wanted,
    pub settings: Settings,
    pub notes: Notebook,
    pub lines: Lines,
}

/// The steps of a test, without the waits of the real AWS: deadlines that tell a hang, not a slow box.
pub(crate) fn quick() -> Pace {
    Pace {
        poll: Duration::from_millis(20),
        settle: Duration::from_secs(3),
        boot: Duration::from_secs(30),
        gone: Duration::from_secs(5),
    }
}

pub(crate) fn machine(node: &str, memory_mib: u64) -> WantedMachine {
    WantedMachine {
        node: node.into(),
        memory_mib,
        host_key: Secret::new(
            "-----BEGIN OPENSSH PRIVATE KEY-----\nnot a key\n-----END OPENSSH PRIVATE KEY-----\n",
        ),
        host_key_public: "ssh-ed25519 AAAAhost".into(),
    }
}

/// A public key that EC2 takes.
pub(crate) const USER_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl deployer";

pub(crate) fn wanted(id: &str, nodes: &[&str]) -> Wanted {
    Wanted {
        id: id.into(),
        deployment: "demo".into(),
        machines: nodes
            .iter()
            .map(|node| ((*node).to_owned(), machine(node, 2048)))
            .collect(),
        user_key: USER_KEY.into(),
        user_key_path: Some("/home/me/key".into()),
        owner: "me@box".into(),
        ..Wanted::default()
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        ssh_from: vec!["192.0.2.1".into()],
        ..Settings::default()
    }
}

pub(crate) fn config(region: &str, key: &str, secret: &str) -> SdkConfig {
    let credentials = Credentials::new(key, secret, None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(client::http())
        .sleep_impl(aws_sdk_ec2::config::SharedAsyncSleep::new(Sleep))
        .build()
}

#[derive(Debug)]
struct Sleep;

impl aws_sdk_ec2::config::AsyncSleep for Sleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_ec2::config::Sleep {
        // Pauses between repeated calls are a tenth of the real ones.
        aws_sdk_ec2::config::Sleep::new(tokio::time::sleep(duration / 10))
    }
}

impl Bench {
    pub(crate) fn new(url: &str, region: &str, id: &str, nodes: &[&str]) -> Self {
        Self {
            url: url.into(),
            region: region.into(),
            wanted: wanted(id, nodes),
            settings: settings(),
            notes: Notebook::default(),
            lines: Lines::default(),
        }
    }

    /// A new process: nothing is known but the notes.
    pub(crate) fn aws(&self) -> Aws {
        self.aws_as("key", "secret")
    }

    pub(crate) fn aws_as(&self, key: &str, secret: &str) -> Aws {
        let settings = Settings {
            endpoint_url: Some(self.url.clone()),
            ..self.settings.clone()
        };
        Aws::new(&config(&self.region, key, secret), settings, quick())
    }

    /// What is wanted, with the notes as they are now.
    pub(crate) fn want(&self, nothing: bool) -> Wanted {
        let mut wanted = self.wanted.clone();
        wanted.notes = self.notes.0.lock().expect("notes").clone();
        if nothing {
            wanted.machines.clear();
        }
        wanted
    }

    pub(crate) async fn plan(&self, aws: &Aws) -> Result<CloudPlan, CloudError> {
        aws.plan(&self.want(false)).await
    }

    /// Plans and does all of it; the machines that run then.
    pub(crate) async fn up(&self) -> Result<BTreeMap<String, Machine>, CloudError> {
        self.up_with(&self.aws()).await
    }

    pub(crate) async fn up_with(&self, aws: &Aws) -> Result<BTreeMap<String, Machine>, CloudError> {
        let plan = self.plan(aws).await?;
        let made = self.run(aws, &plan.steps, false).await?;
        Ok(plan
            .machines
            .into_iter()
            .chain(made)
            .map(|machine| (machine.node.clone(), machine))
            .collect())
    }

    /// Takes all away; what is left.
    pub(crate) async fn teardown(&self) -> Result<Vec<String>, CloudError> {
        let aws = self.aws();
        let plan = aws.plan(&self.want(true)).await?;
        self.run(&aws, &plan.steps, true).await?;
        aws.leftovers(&self.wanted.id).await
    }

    /// Does steps as the runner does: neighbours of the same stage at the same time.
    pub(crate) async fn run(
        &self,
        aws: &Aws,
        steps: &[CloudStep],
        nothing: bool,
    ) -> Result<Vec<Machine>, CloudError> {
        let mut machines = Vec::new();
        for stage in steps.chunk_by(|one, next| one.stage == next.stage) {
            let wanted = self.want(nothing);
            let lanes = stage
                .iter()
                .map(|step| aws.apply(&wanted, step, &self.notes, &self.lines));
            for result in join_all(lanes).await {
                machines.extend(result?.machine);
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
            let node = step
                .node
                .as_ref()
                .map(|node| format!("{node}: "))
                .unwrap_or_default();
            let loses = step
                .loses
                .as_ref()
                .map(|loses| format!(" LOSES {loses}"))
                .unwrap_or_default();
            format!("[{}] {node}{}{loses}", step.stage, step.words)
        })
        .collect();
    let named = |name: &str, set: &BTreeSet<String>| {
        (!set.is_empty()).then(|| {
            format!(
                "{name}: {}",
                set.iter().cloned().collect::<Vec<_>>().join(", ")
            )
        })
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
