//! `check`: looks for whatever would make `up` fail. Changes nothing.

use std::collections::BTreeMap;
use std::io::Write;

use futures_util::future::join_all;

use crate::cli::{Change, Check, Environment};
use crate::cloud::Cloud;
use crate::cloud::finding::Finding;
use crate::error::CommandError;
use crate::facts::Query;
use crate::observe::ask::{Systems, systems};
use crate::observe::observer::{ObserveOptions, Observer};
use crate::observe::obstacles::obstacles;
use crate::observe::reach::connect;
use crate::observe::{Observed, Planned, observe};
use crate::plan;
use crate::prepare::prepared::Prepared;
use crate::reach::clouds;
use crate::reach::connections::Connections;
use crate::report::Reporter;
use crate::run::Executor as _;
use crate::topology::CloudName;

/// Prints a line for each thing checked. Exit code 0 only when all is well.
pub async fn run(
    options: &Check,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let mut prepared = Prepared::new(
        &options.target,
        options.agents.as_deref(),
        false,
        environment,
    )
    .await?;
    writeln!(
        out,
        "✓ inventory {}: {} nodes",
        prepared.source.file,
        prepared.topology.nodes.len()
    )?;
    let agents = &prepared.agents;
    let libc = agents.libc().map_or("any".into(), |libc| libc.to_string());
    writeln!(
        out,
        "✓ agents for {}, glibc {libc} or newer",
        agents.machine()
    )?;
    let mut well = true;
    let observer = Observer::of(&prepared, environment).await?;
    for (name, cloud) in observer.clouds().iter() {
        let needs = cloud.missing().await?;
        for need in &needs {
            well = false;
            let cure = need
                .package
                .as_ref()
                .map(|package| format!(" (`up` installs {package})"))
                .unwrap_or_default();
            writeln!(out, "✗ cloud {name}: {}{cure}", need.what)?;
        }
        let found = check_account(name, cloud, &prepared, environment, out).await?;
        well &= found.unwrap_or(true);
        if found.is_none() && needs.is_empty() {
            writeln!(out, "✓ cloud {name}: this box has all it needs")?;
        }
    }
    // Each problem hides nothing of what can be looked at all the same.
    let decided = prepared.with_choices(reporter).await;
    well &= take_over(&mut prepared, decided, out)?;
    let decided = prepared.seen_from_outside(environment).await;
    well &= take_over(&mut prepared, decided, out)?;
    prepared.remark(reporter);
    let change = Change::default();
    let observe_options = observer.observe_options(&change, environment, reporter);
    match observe(&prepared, &observe_options).await {
        Ok((connections, planned)) => {
            let asked = planned.seen.facts.keys().map(String::as_str);
            let systems = systems(&connections, &planned.prepared.topology, asked).await?;
            well &= nodes(&planned.prepared, &systems, &planned.seen, out)?;
            well &= software(&connections, &planned, out).await?;
            for loss in planned.refused() {
                well = false;
                writeln!(out, "✗ `up` would lose data: {loss}")?;
            }
            // Before the first `up` nobody comes back to the connections.
            connections.close(prepared.entry.is_some()).await?;
        }
        Err(error) => {
            well = false;
            refuse(&error, out)?;
            alone(&prepared, &observe_options, out).await?;
            observer.close(environment).await?;
        }
    }
    Ok(u8::from(!well))
}

/// Takes what was decided over, or shows why nothing was. Returns whether something was.
fn take_over(
    prepared: &mut Prepared,
    decided: Result<Prepared, CommandError>,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    match decided {
        Ok(decided) => *prepared = decided,
        Err(error) => {
            refuse(&error, out)?;
            return Ok(false);
        }
    }
    Ok(true)
}

fn refuse(error: &CommandError, out: &mut dyn Write) -> Result<(), CommandError> {
    write!(out, "✗ {}", error.block().trim_start_matches("error: "))?;
    Ok(())
}

/// Shows the nodes that answer where they cannot be looked at as a deployment.
async fn alone(
    prepared: &Prepared,
    observe_options: &ObserveOptions<'_>,
    out: &mut dyn Write,
) -> Result<(), CommandError> {
    // Why not, was said before.
    let Ok((clouds, machines, connections)) = connect(prepared, observe_options).await else {
        return Ok(());
    };
    let systems = systems(&connections, &prepared.topology, connections.nodes()).await?;
    let seen = Observed {
        clouds,
        machines,
        facts: BTreeMap::new(),
    };
    nodes(prepared, &systems, &seen, out)?;
    connections.close(prepared.entry.is_some()).await
}

/// Reads all unpacked software and shows what of it is not as it was unpacked.
async fn software(
    connections: &Connections,
    planned: &Planned,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    let queries = plan::queries(&planned.desired);
    let asked = planned.seen.facts.keys().filter_map(|node| {
        let archives = queries.get(node)?.archives.clone();
        let query = Query {
            archives,
            whole: true,
            ..Query::default()
        };
        (!query.archives.is_empty()).then_some((node, query))
    });
    let answers = join_all(asked.map(|(node, query)| async move {
        (node, connections.executor().ask(node, &query).await)
    }));
    let mut well = true;
    for (node, answer) in answers.await {
        for (path, damage) in answer?.archives {
            if !damage.is_empty() {
                well = false;
                writeln!(
                    out,
                    "✗ {node}: the software in {path}: {damage}; remove what is changed, and `deployer up` unpacks all of it anew"
                )?;
            }
        }
    }
    Ok(well)
}

/// Shows each node with what stands in its way. Returns whether nothing does.
fn nodes(
    prepared: &Prepared,
    systems: &Systems,
    seen: &Observed,
    out: &mut dyn Write,
) -> Result<bool, CommandError> {
    let all = obstacles(prepared, systems, seen);
    for (node, system) in systems {
        let mut found = all
            .iter()
            .filter(|obstacle| obstacle.node == *node)
            .peekable();
        if found.peek().is_none() {
            writeln!(
                out,
                "✓ {node}: {} {}, {}, {} MiB, {} MiB free, clock {} ms off, root",
                system.os,
                system.version,
                system.architecture,
                system.memory_mib,
                system.disk_free_mib,
                system.clock_skew_ms
            )?;
        }
        for obstacle in found {
            writeln!(out, "✗ {obstacle}")?;
        }
    }
    Ok(all.is_empty())
}

/// Looks whether the account, its permissions or quotas, the image and the types will do. `None`: the cloud has no account.
async fn check_account(
    name: CloudName,
    cloud: &dyn Cloud,
    prepared: &Prepared,
    environment: &Environment,
    out: &mut dyn Write,
) -> Result<Option<bool>, CommandError> {
    let mut wanted = clouds::wanted(
        name,
        &prepared.topology,
        &prepared.receipt,
        None,
        environment,
    )?;
    wanted.architecture = prepared.architecture_on(name);
    let findings = match cloud.check(&wanted).await {
        Ok(findings) if findings.is_empty() => return Ok(None),
        Ok(findings) => findings,
        Err(error) => {
            writeln!(out, "✗ cloud {name}: {error}")?;
            return Ok(Some(false));
        }
    };
    let mut well = true;
    for finding in findings {
        let Finding {
            what,
            problem,
            unknown,
        } = finding;
        match problem {
            None if unknown => writeln!(out, "? cloud {name}: {what}")?,
            None => writeln!(out, "✓ cloud {name}: {what}")?,
            Some(problem) => {
                well = false;
                writeln!(out, "✗ cloud {name}: {what}: {problem}")?;
            }
        }
    }
    Ok(Some(well))
}
