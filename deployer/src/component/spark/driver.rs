//! The process that runs the queries, and those that work for it on other nodes.

use serde::Serialize;

use super::job::Job;
use super::{
    DRIVER, DRIVER_TEXT, JOB, LOGGING, Login, NAME, OPENED, OPTIONS, Options, Spark, UNIT,
    WORKER_UNIT, cluster, memory, process_count, section,
};
use crate::authority;
use crate::component::place;
use crate::component::service::AUTHORITY;
use crate::component::users::PASSWORDS;
use crate::component::{Context, Memory, java};
use crate::step::{Action, Content};
use crate::template::{TemplateError, fixed, render};
use crate::topology::Node;

#[derive(Serialize)]
struct Process {
    java: String,
    options: String,
    driver: String,
    job: String,
    memory_mib: u64,
    ui_port: u16,
    member: Option<cluster::Member>,
}

/// The driver, or what works for it.
pub(super) fn install(node: &Node, context: &Context<'_>) -> Result<Vec<Action>, TemplateError> {
    let topology = context.topology;
    let software = format!("{}/{NAME}", place::software(topology));
    let leads = cluster::leads(node, topology);
    let unit = if leads { UNIT } else { WORKER_UNIT };
    let (mut service, temporary) = java::service(node, context, &Spark, (NAME, &software), unit)?;
    let mut login = None;
    if topology.security.is_on() {
        let known = authority::certificate(context.secrets);
        service.file(AUTHORITY, Content::open(known));
        let password = context.secrets.get(PASSWORDS, NAME);
        let text = render(
            "spark/login.conf",
            &Login {
                user: NAME,
                password,
            },
        )?;
        service.file(java::LOGIN, Content::secret(text));
        login = Some(service.place.file(java::LOGIN));
    }
    service.file(LOGGING, Content::open(fixed("spark/log4j2.properties")?));
    let member = cluster::join(&mut service, node, context, &temporary, login.as_deref())?;
    let heap_mib = section(topology).heap_mib;
    let options = Options {
        tuning: java::tuning(node, context).join("\n"),
        heap_mib,
        temporary: &temporary,
        login,
        logging: service.place.file(LOGGING),
        opened: OPENED,
        software: &software,
        classes: member.as_ref().map(cluster::Member::classes),
    };
    service.file(
        OPTIONS,
        Content::open(render("spark/java.options", &options)?),
    );
    let Memory { heap, beside } = memory(process_count(topology), topology);
    let process = Process {
        java: place::java(topology),
        options: service.place.file(OPTIONS),
        driver: service.place.file(DRIVER),
        job: service.place.file(JOB),
        memory_mib: heap.unwrap_or(0).saturating_add(beside),
        ui_port: section(topology).ui_port,
        member,
    };
    if leads {
        service.file(DRIVER, Content::open(DRIVER_TEXT));
        service.judged_file(JOB, Job::of(context).content()?, judge(&process));
    }
    service.unit(unit, &process)
}

/// The driver itself looks at a new job, beside the one that runs.
fn judge(process: &Process) -> Vec<String> {
    let Process {
        java,
        options,
        driver,
        ..
    } = process;
    let command = [
        java,
        &format!("@{options}"),
        // It ends before a better compiler would be worth its time.
        "-XX:TieredStopAtLevel=1",
        driver,
        "check",
    ];
    command.map(str::to_owned).into()
}
