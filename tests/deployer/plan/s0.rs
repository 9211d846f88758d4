//! The default pipeline: two clients, a node with ZooKeeper, a broker and the consumer, and a node with a broker and CouchDB.

use std::collections::{BTreeMap, BTreeSet};

use deployer::cloud::CloudPlan;
use deployer::component::couchdb::{CouchdbSection, Distribution};
use deployer::component::kafka::KafkaSection;
use deployer::component::repository_key::of_makers;
use deployer::component::zookeeper::ZookeeperSection;
use deployer::component::{self, Component, Context, kafka};
use deployer::facts::Facts;
use deployer::inventory::Setting;
use deployer::layout;
use deployer::machine::{self, Machine};
use deployer::plan::{self, Conflict, Desired, Impossible, Plan, Situation};
use deployer::receipt::{Choices, MachineRecord, Receipt, Secrets};
use deployer::run::StepError;
use deployer::secret::Secret;
use deployer::step::Manifest;
use deployer::topology::{CANARY_TOPIC, CloudName, Clouds, Former, Security, Topic, Topology};

use super::by_hand::{SECRET, by_hand, common};
use crate::fake::FakeWorld;
use crate::nodes::{client, node};

/// A deployment, and the world it is in.
pub(super) struct Deployment {
    pub(super) topology: Topology,
    pub(super) receipt: Receipt,
    pub(super) world: FakeWorld,
    /// What the cloud says of the deployment's machines.
    pub(super) cloud: CloudPlan,
    pub(super) prune: bool,
    pub(super) destroy_data: BTreeSet<String>,
    /// The checksum of the agents' binaries.
    pub(super) agents: &'static str,
    /// The certificate of the deployment's authority.
    pub(super) authority: &'static str,
    /// What should have been at the last `up`.
    pub(super) last: Option<Topology>,
    /// The node whose machine is in another network than all others, which have no way to it.
    pub(super) elsewhere: Option<&'static str>,
}

fn topic(name: &str) -> (String, Topic) {
    let topic = Topic {
        name: name.into(),
        database: name.into(),
        documented: true,
        replaced: false,
        partitions: 1,
        replication: 2,
        config: BTreeMap::new(),
        canary: name == CANARY_TOPIC,
    };
    (name.into(), topic)
}

fn topology() -> Topology {
    let nodes = [
        client(1),
        client(2),
        node("vm2", &["zookeeper", "kafka", "consumer"]),
        node("vm3", &["kafka", "couchdb"]),
    ];
    let bare = layout::parse(b"{name: x, nodes: {vm1: }}", "x.yaml");
    let mut sections = bare.expect("a good inventory").sections;
    sections.get_mut::<ZookeeperSection>().heap_mib = 64;
    sections.get_mut::<KafkaSection>().heap_mib = 256;
    sections.get_mut::<CouchdbSection>().distribution = Distribution::Archive;
    Topology {
        name: "utilization".into(),
        sections,
        cloud: CloudName::LOCAL,
        security: Security::Off,
        state_copy: None,
        nodes: nodes.map(|node| (node.name.clone(), node)).into(),
        topics: [CANARY_TOPIC, "utilizations1", "utilizations2"]
            .map(topic)
            .into(),
        sinks: BTreeMap::new(),
        former: Former::default(),
        clouds: Clouds::default(),
    }
}

impl Deployment {
    /// What the inventory says of the brokers.
    pub(super) fn kafka(&mut self) -> &mut KafkaSection {
        self.topology.sections.get_mut()
    }

    /// Gives the brokers a setting.
    pub(super) fn set_kafka(&mut self, name: &str, value: &str) {
        let settings = &mut self.kafka().settings;
        settings.insert(name.into(), Setting(value.into()));
    }

    /// The default pipeline, on machines that are still empty.
    pub(super) fn new() -> Self {
        let topology = topology();
        let topics = topology.topics.keys();
        let epochs = topics.map(|topic| (topic.clone(), "first".to_owned()));
        let receipt = Receipt {
            secure_by_default: true,
            version: Receipt::VERSION,
            id: "0a1b2c3d4e5f".into(),
            name: topology.name.clone(),
            cloud: "local".into(),
            created: "2026-11-21T08:34:00Z".into(),
            inventory: String::new(),
            machines: BTreeMap::new(),
            host_keys: BTreeMap::new(),
            numbers: [(
                kafka::NAME.to_owned(),
                [("vm2".to_owned(), 1), ("vm3".to_owned(), 2)].into(),
            )]
            .into(),
            epochs: [(kafka::NAME.to_owned(), epochs.collect())].into(),
            pruned: BTreeMap::new(),
            replaced: BTreeMap::new(),
            choices: Choices::default(),
            agents: None,
            cloud_notes: BTreeMap::new(),
            unproven: false,
            copied: None,
        };
        Self {
            world: FakeWorld::new(topology.nodes.keys().map(String::as_str)),
            topology,
            receipt,
            cloud: CloudPlan::default(),
            prune: false,
            destroy_data: BTreeSet::new(),
            agents: "1",
            authority: "first",
            last: None,
            elsewhere: None,
        }
    }

    /// The same on hosts that the user has.
    pub(super) fn on_existing_hosts() -> Self {
        let mut deployment = Self::new();
        for node in deployment.topology.nodes.values_mut() {
            node.cloud = CloudName::EXISTING;
        }
        deployment
    }

    /// The default pipeline after its first `up`.
    pub(super) fn up() -> Self {
        let mut deployment = Self::new();
        deployment.converge();
        deployment
    }

    fn machines(&self) -> BTreeMap<String, Machine> {
        let nodes = ["vm1-1", "vm1-2", "vm2", "vm3", "vm4"];
        let machine = |(number, node): (u8, &str)| {
            let address = [10, 83, 0, number];
            let network = if self.elsewhere == Some(node) {
                "another"
            } else {
                "local"
            };
            let machine = Machine {
                node: node.into(),
                id: node.into(),
                access: machine::Access::Here,
                networks: [(network.to_owned(), address.into())].into(),
                public: None,
                operator: (self.topology.nodes.get(node))
                    .filter(|node| node.cloud == CloudName::LOCAL)
                    .map(|_| [10, 83, 0, 254].into()),
            };
            (node.to_owned(), machine)
        };
        (2..)
            .zip(nodes)
            .filter(|(_, node)| !self.world.facts(node).system.os.is_empty())
            .map(machine)
            .collect()
    }

    pub(super) fn desired(&self) -> Desired {
        let artifact = |key: &str| {
            let artifact = deployer::component::Artifact {
                identity: key.into(),
                sha256: Some(self.agents.into()),
                download: None,
            };
            (key.to_owned(), artifact)
        };
        let mut secrets = Secrets::default();
        for component in component::ALL {
            for secret in component.secrets() {
                secrets.set(component.name(), secret.key, Secret::new(SECRET));
            }
        }
        secrets.set("authority", "certificate", Secret::new(self.authority));
        let context = Context {
            topology: &self.topology,
            receipt: &self.receipt,
            secrets: &secrets,
            choices: &self.receipt.choices,
            keys: &of_makers(&self.topology).expect("makers' keys"),
            artifacts: &["consumer", "producer"].map(artifact).into(),
            ipv6: false,
        };
        let common = common(&self.topology);
        plan::desired_with(&by_hand, &context, &self.machines(), &common).expect("no template")
    }

    fn facts(&self) -> BTreeMap<String, Facts> {
        self.world.ask_all(&plan::queries(&self.desired()))
    }

    fn with_situation<T>(&self, look: impl FnOnce(&Situation<'_>) -> T) -> T {
        let strict = self.topology.nodes.values();
        let strict = strict.filter(|node| node.cloud == CloudName::EXISTING);
        look(&Situation {
            facts: &self.facts(),
            receipt: &self.receipt,
            strict: &strict.map(|node| node.name.clone()).collect(),
            known: &self.receipt.machines.keys().cloned().collect(),
            lost: &self.cloud.lost,
            orphans: &self.cloud.orphans,
            prune: self.prune,
            destroy_data: &self.destroy_data,
            last: self.last.as_ref(),
        })
    }

    pub(super) fn compare(&self) -> Result<Plan, Vec<Conflict>> {
        self.with_situation(|situation| plan::compare(&self.desired(), situation))
    }

    /// What `up` would do.
    pub(super) fn plan(&self) -> Plan {
        self.compare().expect("no conflicts")
    }

    pub(super) fn impossible(&self) -> Vec<Impossible> {
        self.with_situation(|situation| plan::impossible(&self.desired(), situation))
    }

    pub(super) fn epochs_to_renew(&self) -> BTreeSet<String> {
        self.with_situation(|situation| {
            plan::epochs_to_renew(&self.desired(), &self.topology.topics, situation)
        })
    }

    /// Runs a plan to its end, or to the end of the stage in which something fails.
    pub(super) fn run(&mut self, plan: &Plan) -> Result<(), StepError> {
        for stage in &plan.stages {
            self.record_data(&stage.name);
            let mut result = Ok(());
            for queue in stage.queues.values() {
                let done = queue.iter().try_for_each(|change| {
                    self.world.apply_now(&change.step.node, &change.step.action)
                });
                result = result.and(done);
            }
            result?;
        }
        Ok(())
    }

    /// Before services start, the receipt says that there will be data.
    fn record_data(&mut self, stage: &str) {
        for (name, node) in &self.topology.nodes {
            for role in node
                .roles
                .iter()
                .filter(|role| holds_data(role) && stage.contains(role.as_str()))
            {
                let machines = &mut self.receipt.machines;
                let record = machines
                    .entry(name.clone())
                    .or_insert_with(|| MachineRecord {
                        cloud: "local".into(),
                        machine: None,
                        data: Vec::new(),
                    });
                if !record.data.iter().any(|kind| kind == role) {
                    record.data.push(role.clone());
                }
            }
        }
    }

    /// Does all that is to be done, epochs included, and sees that nothing is left to do.
    pub(super) fn converge(&mut self) {
        self.renew_epochs();
        let plan = self.plan();
        assert_eq!(plan.refused().count(), 0, "{plan}");
        self.run(&plan)
            .unwrap_or_else(|error| panic!("{error}\n{plan}"));
        // The cloud has put another machine in the place of each.
        self.cloud.lost.clear();
        let rest = self.plan();
        assert!(
            rest.is_empty(),
            "something is left to do after\n{plan}\n---\n{rest}"
        );
        assert_eq!(self.world.violations(), Vec::<String>::new(), "{plan}");
    }

    pub(super) fn renew_epochs(&mut self) {
        for topic in self.epochs_to_renew() {
            let epochs = self.receipt.epochs.entry(kafka::NAME.into()).or_default();
            epochs.insert(topic, "renewed".into());
        }
    }

    /// The cloud makes a machine anew in the place of one that is gone.
    pub(super) fn replace(&mut self, node: &str) {
        self.world.lose(node);
        self.world.add(node);
        self.cloud.lost.insert(node.into());
    }

    pub(super) fn empty_manifest(&self, node: &str) -> Manifest {
        Manifest {
            version: Manifest::VERSION,
            id: self.receipt.id.clone(),
            deployment: self.topology.name.clone(),
            node: node.into(),
            ..Manifest::default()
        }
    }

    pub(super) fn manifests(&self) -> BTreeMap<String, Manifest> {
        let nodes = self.topology.nodes.keys();
        nodes
            .filter_map(|node| Some((node.clone(), self.world.facts(node).manifest?)))
            .collect()
    }
}

fn holds_data(role: &str) -> bool {
    component::named(role).is_some_and(Component::holds_data)
}
