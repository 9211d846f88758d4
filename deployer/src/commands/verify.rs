//! `verify`: proves on demand that events arrive as documents, and writes it down for others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::Value;

use crate::carry_out::kill_broker::{kill_broker, victim};
use crate::carry_out::prove::{Proof, prove};
use crate::cli::{Environment, Verify};
use crate::component::pipeline;
use crate::contract::Comparison;
use crate::documents::newest::newest;
use crate::error::CommandError;
use crate::facts::Query;
use crate::host::Input;
use crate::reach::connections::{CONNECT_TIMEOUT_RUNNING, Connections, require_none};
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::PipelineTool;
use crate::report::{self, Event, Reporter};
use crate::run::Executor as _;
use crate::step::{Action, archive_marker};
use crate::tell::grade::Grade;
use crate::tell::health;

/// How long it may take to read all topics and the ids of all documents: some millions of each.
const COMPARE: Duration = Duration::from_mins(15);

/// Sends canaries and waits for their documents.
pub async fn run(
    options: &Verify,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn std::io::Write,
) -> Result<u8, CommandError> {
    let form = options.report.as_deref().map(Form::of).transpose()?;
    let deployment = Deployment::find(&options.target, environment)?;
    let topology = &deployment.topology;
    let victim = options.kill_broker.then(|| victim(&deployment));
    let victim = victim.transpose()?;
    let nodes = topology.nodes.keys().map(String::as_str);
    let connections = deployment
        .connect(nodes, CONNECT_TIMEOUT_RUNNING, environment, reporter)
        .await?;
    let proof = prove(&connections, topology, options.count, reporter).await;
    // The pipeline may hold without a node; that it is silent is said all the same.
    let silent = require_none(&connections.unreachable);
    let proof = match (proof, silent) {
        (Err(mut error), Err(silent)) => {
            error.hints.extend(silent.hints);
            return Err(error);
        }
        (proof, silent) => {
            let proof = proof?;
            if let (Some(proof), Err(_)) = (&proof, &silent) {
                reporter.event(&Event::Note(proof.words()));
            }
            silent?;
            proof
        }
    };
    let Some(proof) = proof else {
        return Err(CommandError::usage(
            "this deployment has no brokers: there is nothing to prove",
        ));
    };
    if options.json {
        serde_json::to_writer_pretty(&mut *out, &proof)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", proof.words())?;
    }
    let killed = match victim {
        Some(node) => {
            let killing = kill_broker(node, &deployment, &connections, options.count, reporter);
            let killed = killing.await?;
            let (words, seconds) = (killed.canaries.words(), killed.in_sync_after_seconds);
            reporter.event(&Event::Note(format!(
                "the broker on {node} was killed: {words}; all copies in sync again after {seconds:.0} s"
            )));
            Some(killed)
        }
        None => None,
    };
    let mut passed = true;
    if let (Some(path), Some(form)) = (&options.report, form) {
        let mut grade = gather(&deployment, &connections, environment, reporter, proof).await?;
        grade.after_the_kill = killed;
        grade.judge();
        form.write(&grade, path)?;
        for problem in &grade.problems {
            reporter.event(&Event::Warning(problem.clone()));
        }
        let said = if grade.passed {
            "nothing speaks against it"
        } else {
            "not passed"
        };
        reporter.event(&Event::Note(format!("{}: {said}", path.display())));
        passed = grade.passed;
    }
    connections.close(true).await?;
    Ok(u8::from(!passed))
}

/// Looks at all that a report tells.
async fn gather(
    deployment: &Deployment,
    connections: &Connections,
    environment: &Environment,
    reporter: &dyn Reporter,
    canaries: Proof,
) -> Result<Grade, CommandError> {
    let topology = &deployment.topology;
    let comparing = compare(connections, deployment);
    let words = "compare each topic with its database";
    let topics = report::aloud(reporter, None, words, comparing).await?;
    let sample = if topics.is_empty() {
        None
    } else {
        let line = newest(connections, topology, 1, None).await?;
        line.lines()
            .next()
            .and_then(|line| serde_json::from_str::<Value>(line).ok())
    };
    let machines = deployment.machines().into_iter();
    let machines: BTreeMap<String, String> =
        machines.map(|(node, machine)| (node, machine.id)).collect();
    let unpacking = unpacked(connections, deployment);
    let words = "ask what was unpacked";
    let software = report::aloud(reporter, None, words, unpacking).await?;
    Ok(Grade {
        format: 1,
        at: jiff::Timestamp::now(),
        deployer: env!("CARGO_PKG_VERSION"),
        deployment: topology.name.clone(),
        id: deployment.receipt.id.clone(),
        passed: false,
        problems: Vec::new(),
        canaries,
        after_the_kill: None,
        topics,
        sample,
        machines,
        software: software.into_iter().collect(),
        status: health::look(deployment, environment, reporter).await?,
    })
}

/// What the nodes' archives are, by the marks that lie in them.
async fn unpacked(
    connections: &Connections,
    deployment: &Deployment,
) -> Result<BTreeSet<String>, CommandError> {
    let desired = health::desired(deployment)?;
    let asking = desired.nodes().into_iter().map(async |node| {
        let paths = desired.actions(node).filter_map(|action| match action {
            Action::UnpackArchive { path, .. } => Some((archive_marker(path), true)),
            _ => None,
        });
        let query = Query {
            files: paths.collect(),
            deployment: deployment.topology.name.clone(),
            ..Query::default()
        };
        let facts = connections.executor().ask(node, &query).await?;
        let texts = query
            .files
            .keys()
            .filter_map(|path| facts.files.get(path)?.text.clone());
        Ok::<Vec<String>, CommandError>(texts.collect())
    });
    let marks = try_join_all(asking).await?.into_iter().flatten();
    Ok(marks.map(|mark| mark.trim().to_owned()).collect())
}

/// Each topic against its database; none where events become no documents.
async fn compare(
    connections: &Connections,
    deployment: &Deployment,
) -> Result<Vec<Comparison>, CommandError> {
    let topology = &deployment.topology;
    if !pipeline::has_store(topology) {
        return Ok(Vec::new());
    }
    let tool = PipelineTool::of(connections, topology)?;
    let what = "the topics cannot be compared with their databases";
    let printed = tool
        .call(what, &["compare"], Input::Nothing, COMPARE)
        .await?;
    let lines = printed
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let read: Result<Vec<Comparison>, _> = lines.map(serde_json::from_slice).collect();
    read.map_err(|error| {
        CommandError::failed(format!("{what}: the answer is not understood: {error}"))
    })
}

/// What a report is written as.
#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Html,
}

impl Form {
    /// By the end of the file's name.
    fn of(path: &Path) -> Result<Self, CommandError> {
        match path.extension().and_then(|end| end.to_str()) {
            Some("json") => Ok(Self::Json),
            Some("html") => Ok(Self::Html),
            _ => Err(CommandError::usage(format!(
                "{}: a report is a `.json` or a `.html`",
                path.display()
            ))),
        }
    }

    fn write(self, grade: &Grade, path: &Path) -> Result<(), CommandError> {
        let text = match self {
            Self::Json => serde_json::to_string_pretty(grade)? + "\n",
            Self::Html => grade.html().map_err(CommandError::failed)?,
        };
        std::fs::write(path, text)
            .map_err(|error| CommandError::failed(format!("{}: {error}", path.display())))
    }
}
