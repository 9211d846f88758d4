//! A Kafka broker that finds the others by ZooKeeper. It listens on all interfaces and is found by its node's name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::place;
use super::service::{self, Service};
use super::{Component, Context, artifact_key, java};
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Role};

/// The component of [`Role::Kafka`].
pub struct Kafka;

const CONFIG: &str = "server.properties";
const UNIT: &str = "kafka/kafka.service";

// What is not there must not be rendered as nothing: left out, it is an error of the template.
#[derive(Serialize)]
struct Settings<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    broker_id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zookeeper_connect: Option<String>,
    host: String,
    port: u16,
    data: String,
    replication: u32,
    min_insync_replicas: u32,
    more: &'a BTreeMap<String, String>,
}

impl Component for Kafka {
    fn role(&self) -> Role {
        Role::Kafka
    }

    fn packages(&self, _: &Context<'_>) -> Vec<String> {
        vec![java::PACKAGE.to_owned()]
    }

    fn ports(&self, _: &Node, context: &Context<'_>) -> Vec<u16> {
        vec![context.topology.kafka.port]
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let topology = context.topology;
        let kafka = &topology.kafka;
        let software = place::kafka(topology);
        let mut service = Service::new(context, node, Role::Kafka);
        service.data_directory();
        let temporary = service.temporary_directory();
        service.add(java::link(context));
        service.add(service::unpack(
            context,
            node,
            artifact_key::KAFKA,
            software.clone(),
            UNIT,
        )?);
        service.file(
            CONFIG,
            Content::open(render(
                "kafka/server.properties",
                &Settings {
                    broker_id: node.broker_id,
                    zookeeper_connect: topology.zookeeper_connect(),
                    host: topology.host_name(&node.name),
                    port: kafka.port,
                    data: service.place.data(),
                    replication: kafka.replication,
                    min_insync_replicas: kafka.min_insync_replicas,
                    more: &kafka.settings,
                },
            )?),
        );
        service.file(
            java::LOGGING,
            java::logging(&[
                "kafka.server.KafkaServer",
                "kafka.controller.KafkaController",
            ])?,
        );
        let process = java::Process {
            java: java::command(
                node,
                context,
                kafka.heap_mib,
                &temporary,
                &service.place.file(java::LOGGING),
            ),
            software,
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }
}
