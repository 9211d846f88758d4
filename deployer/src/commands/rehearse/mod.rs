//! `rehearse`: the verbs of this program one after another on machines that are thrown away, with a report that can be sent.
//!
//! Each step is this very program in a process of its own ([`child`]), so that it can be killed in earnest. Whatever happens,
//! everything is taken away at the end ([`runner`]); what a killed rehearsal leaves is taken away when the next one begins.

use std::io::Write;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Environment, Rehearse};
use crate::error::CommandError;
use crate::prepare::target;
use crate::rehearsal::{self, Wish};
use crate::report::{Event, Reporter};
use crate::run::runner::Stop;
use crate::tell::prompt::confirm;
use crate::topology::CloudName;

mod child;
mod hidden;
mod limits;
mod place;
mod power_off;
mod report;
mod runner;

pub use child::end_with_parent;

use limits::Limits;
use place::Place;
use report::Report;
use runner::Runner;

/// Says what it will cost, asks, tries all, and takes all away. Exit code 0: all was as it should be, and nothing is left.
pub async fn run(
    options: &Rehearse,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let wish = wish(options)?;
    let rehearsal = rehearsal::plan(&wish).ok_or_else(no_cloud)?;
    let source = target::read_inventory(&options.target)?;
    let state_dir = target::state_dir(&options.target, environment);
    let place = Place::open(
        &state_dir,
        wish.cloud,
        &rehearsal.variants,
        &source,
        reporter,
    )
    .await?;
    let limits = Limits::find(options, &place, environment).await?;
    limits.refuse_too_dear()?;
    if options.cost_cap.is_none() || options.time_limit.is_none() {
        confirm(&limits.question(&rehearsal), options.yes, reporter)?;
    }

    let began = Timestamp::now();
    let path = options.report.clone().unwrap_or_else(|| {
        let time = began.strftime("%Y%m%dT%H%M%SZ");
        format!("rehearsal-{}-{time}.md", wish.cloud).into()
    });
    let redactor = hidden::redactor(&place, environment).await?;
    let report = Report::begin(&path, redactor, &rehearsal, &limits, options, began)?;
    let stop = Stop::on_interrupt();
    stop_on_hangup(&stop);
    let runner = Runner::new(options, environment, reporter, &stop, &place, report);
    let ended = Box::pin(runner.run(&rehearsal, limits.time)).await;
    let shown = path.display();
    reporter.event(&Event::Note(format!("the report is in {shown}")));
    let well = ended.map_err(|error| {
        error.hint(format!(
            "{shown} has all of it, without secrets or account numbers"
        ))
    })?;
    writeln!(out, "{shown}")?;
    Ok(u8::from(!well))
}

/// A terminal that is closed must not leave machines behind.
fn stop_on_hangup(stop: &Stop) {
    if let Ok(mut hangup) = signal(SignalKind::hangup()) {
        let stop = stop.clone();
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                stop.set();
            }
        });
    }
}

/// What is asked for; refuses what the cloud has not.
fn wish(options: &Rehearse) -> Result<Wish, CommandError> {
    let target = &options.target;
    if target.name.is_some() {
        return Err(CommandError::usage(
            "--name: the deployments of a rehearsal have names of their own",
        ));
    }
    let known = |cloud: &CloudName| rehearsal::clouds().any(|known| known == *cloud);
    let cloud = target.cloud.filter(known).ok_or_else(no_cloud)?;
    let of_aws = [
        ("--least-policy", options.on_aws.least_policy),
        ("--no-power-off", options.on_aws.no_power_off),
        ("--vpc", options.on_aws.vpc.is_some()),
        ("--arm64", options.on_aws.arm64),
        ("--second-region", options.on_aws.second_region.is_some()),
    ];
    if cloud != CloudName::AWS
        && let Some((flag, _)) = of_aws.iter().find(|(_, given)| *given)
    {
        return Err(CommandError::usage(format!("{flag} is of AWS only")));
    }
    Ok(Wish {
        cloud,
        power_off: !options.on_aws.no_power_off,
        vpc: options.on_aws.vpc.clone(),
        arm: options.on_aws.arm64,
        region: options.on_aws.second_region.clone(),
    })
}

/// No cloud is named, or one that no rehearsal is written for.
fn no_cloud() -> CommandError {
    let options = rehearsal::clouds().map(|cloud| format!("--cloud {cloud}"));
    let options: Vec<String> = options.collect();
    CommandError::usage(format!(
        "a rehearsal is for a cloud that costs: {}",
        options.join(" or ")
    ))
    .hint("on this box `deployer up` costs nothing")
}
