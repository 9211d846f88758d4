//! A cloud that sells machines of this box, as far as the product can tell: a row, a kind, and the steps of the local cloud under
//! another name. It can be told to die at a step.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use deployer::cloud::finding::Finding;
use deployer::cloud::local::Local;
use deployer::cloud::provider::{self, Opening};
use deployer::cloud::{
    Applied, Cloud, CloudError, CloudPlan, CloudStep, Found, Meaning, Need, Notes, Operation,
    Progress, Wanted,
};
use deployer::topology::{CloudKind, CloudName, End, Machines, Seller};

/// What is known of it before it is asked.
pub(crate) static KIND: CloudKind = CloudKind {
    name: "hired",
    title: "Hired",
    about: "Machines of this box that somebody sells.",
    machines: Machines::Sold(Seller {
        charges: "nobody.",
        unit: "thanks",
        rehearsal_cap: 1.0,
    }),
    end: End::Never,
    places: &[],
    machine_keys: &[],
    time_to_live: None,
    system_key: "release",
    network_shared_by: |_| None,
    way_to: |node| format!("{node} is on this box"),
};

/// Names the step at which the process dies, and whether it is done by then: `3 done`.
pub(crate) const DIES: &str = "DEPLOYER_TEST_DIES";

/// Its row.
pub(crate) struct Provider;

#[async_trait]
impl provider::Provider for Provider {
    fn kind(&self) -> &'static CloudKind {
        &KIND
    }

    async fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Cloud>, CloudError> {
        Ok(Box::new(Hired {
            local: Local::new(&opening.clouds.local, opening.user_key),
            steps: AtomicUsize::new(0),
        }))
    }
}

struct Hired {
    local: Local,
    /// How many steps were begun.
    steps: AtomicUsize,
}

fn name() -> CloudName {
    CloudName::find(KIND.name).expect("its row is there")
}

#[async_trait]
impl Cloud for Hired {
    async fn plan(&self, wanted: &Wanted) -> Result<CloudPlan, CloudError> {
        let mut plan = self.local.plan(wanted).await?;
        for step in &mut plan.steps {
            if step.words.starts_with("create ") {
                step.meaning = Meaning::Make;
            }
            step.operation = Operation::of(name(), &step.operation);
        }
        Ok(plan)
    }

    fn needs_root(&self) -> bool {
        true
    }

    async fn apply(
        &self,
        wanted: &Wanted,
        step: &CloudStep,
        notes: &dyn Notes,
        progress: &dyn Progress,
    ) -> Result<Applied, CloudError> {
        let number = self.steps.fetch_add(1, Ordering::Relaxed);
        die_at(number, "begun");
        let own = CloudStep {
            operation: step.operation.read(name())?,
            ..step.clone()
        };
        let applied = self.local.apply(wanted, &own, notes, progress).await?;
        die_at(number, "done");
        Ok(applied)
    }

    async fn leftovers(&self, id: &str) -> Result<Vec<String>, CloudError> {
        self.local.leftovers(id).await
    }

    async fn deployments(&self) -> Result<Vec<Found>, CloudError> {
        self.local.deployments().await
    }

    async fn missing(&self) -> Result<Vec<Need>, CloudError> {
        self.local.missing().await
    }

    async fn check(&self, wanted: &Wanted) -> Result<Vec<Finding>, CloudError> {
        let room = format!("room for {} machines", wanted.machines.len());
        Ok(vec![Finding::good(room)])
    }

    fn if_forgotten(&self, _plan: &CloudPlan) -> String {
        "They are hired for ever.".into()
    }

    fn lifetime(&self, _plan: &CloudPlan) -> Option<String> {
        Some("hired for ever".into())
    }
}

/// SIGKILL: nothing is tidied up, nothing is flushed.
fn die_at(step: usize, when: &str) {
    let told = std::env::var(DIES).unwrap_or_default();
    if told == format!("{step} {when}") {
        let own = rustix::process::getpid();
        let _dead = rustix::process::kill_process(own, rustix::process::Signal::KILL);
    }
}
