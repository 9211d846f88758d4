//! A workbench for AWS: the one for any cloud, with an account, a region and settings.

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::{Credentials, SharedCredentialsProvider};
use deployer::cloud::aws::{Aws, Settings, client, wait::Pace};
use deployer::cloud::{CloudError, Wanted};
use deployer::machine::Machine;

use super::clouds_bench::Deployment;
pub(crate) use super::clouds_bench::{USER_KEY, machine, words};

/// A deployment and all that is needed to bring it about.
pub(crate) struct Bench {
    pub url: String,
    pub region: String,
    pub settings: Settings,
    pub deployment: Deployment,
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

pub(crate) fn wanted(id: &str, nodes: &[&str]) -> Wanted {
    Deployment::new(id, nodes).wanted
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

impl Deref for Bench {
    type Target = Deployment;

    fn deref(&self) -> &Deployment {
        &self.deployment
    }
}

impl DerefMut for Bench {
    fn deref_mut(&mut self) -> &mut Deployment {
        &mut self.deployment
    }
}

impl Bench {
    pub(crate) fn new(url: &str, region: &str, id: &str, nodes: &[&str]) -> Self {
        Self {
            url: url.into(),
            region: region.into(),
            settings: settings(),
            deployment: Deployment::new(id, nodes),
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

    /// Plans and does all of it; the machines that run then.
    pub(crate) async fn up(&self) -> Result<BTreeMap<String, Machine>, CloudError> {
        self.up_with(&self.aws()).await
    }

    pub(crate) async fn up_with(&self, aws: &Aws) -> Result<BTreeMap<String, Machine>, CloudError> {
        self.deployment.up(aws).await
    }

    /// Takes all away; what is left.
    pub(crate) async fn teardown(&self) -> Result<Vec<String>, CloudError> {
        self.deployment.teardown(&self.aws()).await
    }

    /// Takes all away, and fails if anything is left.
    pub(crate) async fn takes_all_away(&self) {
        let id = &self.wanted.id;
        let left = self.teardown().await;
        let left = left.unwrap_or_else(|error| panic!("{id}: the teardown: {error}"));
        assert_eq!(left, Vec::<String>::new(), "{id}");
    }

    /// Fails unless there is nothing to do.
    pub(crate) async fn is_settled(&self) {
        let id = &self.wanted.id;
        let plan = self.plan(&self.aws()).await;
        let plan = plan.unwrap_or_else(|error| panic!("{id}: the plan: {error}"));
        assert!(plan.steps.is_empty(), "{id}: {}", words(&plan));
    }
}
