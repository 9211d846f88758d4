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
use crate::rehearsal::{self, NoRehearsal};
use crate::report::{Event, Reporter};
use crate::run::runner::Stop;
use crate::tell::prompt::confirm;

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
    if options.target.name.is_some() {
        return Err(CommandError::usage(
            "--name: the deployments of a rehearsal have names of their own",
        ));
    }
    let rehearsal =
        rehearsal::plan(options.target.cloud, &options.wishes).map_err(|none| refused(&none))?;
    let source = target::read_inventory(&options.target)?;
    let state_dir = target::state_dir(&options.target, environment);
    let place = Place::open(
        &state_dir,
        rehearsal.cloud,
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
        format!("rehearsal-{}-{time}.md", rehearsal.cloud).into()
    });
    let redactor = hidden::redactor(&place, environment).await?;
    let report = Report::begin(&path, redactor, &rehearsal, &limits, began)?;
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

/// Why nothing can be rehearsed, with what else there is.
fn refused(none: &NoRehearsal) -> CommandError {
    let error = CommandError::usage(none.to_string());
    match none {
        NoRehearsal::NoCloud => error.hint("on this box `deployer up` costs nothing"),
        NoRehearsal::OfAnother { .. } => error,
    }
}
