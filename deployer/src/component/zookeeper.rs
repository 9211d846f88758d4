//! ZooKeeper, one server, from the jars in Kafka's archive.

use serde::Serialize;

use super::place;
use super::service::{self, Service};
use super::{Component, Context, artifact_key, java};
use crate::step::{Action, Content};
use crate::template::{TemplateError, render};
use crate::topology::{Node, Role};

/// The component of [`Role::Zookeeper`].
pub struct Zookeeper;

const CONFIG: &str = "zoo.cfg";
const UNIT: &str = "zookeeper/zookeeper.service";

#[derive(Serialize)]
struct Settings {
    data: String,
    port: u16,
}

impl Component for Zookeeper {
    fn role(&self) -> Role {
        Role::Zookeeper
    }

    fn packages(&self, _: &Context<'_>) -> Vec<String> {
        vec![java::PACKAGE.to_owned()]
    }

    fn ports(&self, _: &Node, context: &Context<'_>) -> Vec<u16> {
        vec![context.topology.zookeeper.port]
    }

    fn install(&self, node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
        let zookeeper = &context.topology.zookeeper;
        let software = place::kafka(context.topology);
        let mut service = Service::new(context, node, Role::Zookeeper);
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
                "zookeeper/zoo.cfg",
                &Settings {
                    data: service.place.data(),
                    port: zookeeper.port,
                },
            )?),
        );
        service.file(
            java::LOGGING,
            java::logging(&["org.apache.zookeeper.server.NIOServerCnxnFactory"])?,
        );
        let process = java::Process {
            java: java::command(
                node,
                context,
                zookeeper.heap_mib,
                &temporary,
                &service.place.file(java::LOGGING),
            ),
            software,
            config: service.place.file(CONFIG),
        };
        service.unit(UNIT, &process)
    }
}
