//! Does the steps, and takes all away whatever happens ([`clear`]).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cli::{Environment, Rehearse};
use crate::error::CommandError;
use crate::rehearsal::{Act, Expected, ID, Rehearsal, Step, Vital};
use crate::report::{Event, Reporter, StepOutcome};
use crate::run::journal;
use crate::run::runner::Stop;

mod clear;

use super::child::{self, End, Run};
use super::place::Place;
use super::power_off;
use super::report::Report;

/// What `up` says when it has seen events arrive as documents.
const PROVEN: &str = "proven:";

/// A rehearsal at work.
pub(super) struct Runner<'a> {
    options: &'a Rehearse,
    environment: &'a Environment,
    reporter: &'a dyn Reporter,
    stop: &'a Stop,
    place: &'a Place,
    report: Report,
    /// Deployment → its id, from when on it has one.
    ids: BTreeMap<String, String>,
    /// Deployment → what was said of it.
    said: BTreeMap<&'static str, String>,
    /// Steps that ended otherwise than they should.
    wrong: Vec<String>,
    /// Deployment → the step without which the others make no sense.
    broken: BTreeMap<&'static str, String>,
}

/// How a step went.
struct Went {
    end: End,
    took: Duration,
    first: Option<Duration>,
    said: String,
}

impl<'a> Runner<'a> {
    pub(super) fn new(
        options: &'a Rehearse,
        environment: &'a Environment,
        reporter: &'a dyn Reporter,
        stop: &'a Stop,
        place: &'a Place,
        report: Report,
    ) -> Self {
        Self {
            options,
            environment,
            reporter,
            stop,
            place,
            report,
            ids: BTreeMap::new(),
            said: BTreeMap::new(),
            wrong: Vec::new(),
            broken: BTreeMap::new(),
        }
    }

    /// All of it. Returns whether every step ended as it should; fails where something is left, or somebody stopped it.
    pub(super) async fn run(
        mut self,
        rehearsal: &Rehearsal,
        time: Duration,
    ) -> Result<bool, CommandError> {
        let began = Instant::now();
        let end = began + time;
        let before = self.clear("take away what an earlier rehearsal left").await;
        let tried = match before {
            Ok(()) => self.steps(rehearsal, end).await,
            Err(error) => Err(error),
        };
        let cleared = self.clear("take away what is left").await;
        let left = match &cleared {
            Ok(()) => "Nothing is left.".to_owned(),
            Err(error) => format!("**Something is left**: {}", error.cause),
        };
        let why = tried
            .as_ref()
            .err()
            .map(|error| format!("It ended early: {}. ", error.cause));
        let wrong = std::mem::take(&mut self.wrong);
        let written = self
            .report
            .end(&format!("{}{left}", why.unwrap_or_default()));
        // What is left costs on: that comes first.
        cleared?;
        tried?;
        written?;
        for title in &wrong {
            self.reporter
                .event(&Event::Warning(format!("not as it should be: {title}")));
        }
        self.reporter
            .event(&Event::Note("all is taken away".into()));
        Ok(wrong.is_empty())
    }

    async fn steps(&mut self, rehearsal: &Rehearsal, end: Instant) -> Result<(), CommandError> {
        let count = rehearsal.steps.len();
        for (number, step) in (1..).zip(&rehearsal.steps) {
            let title = format!("{number}/{count} {}: {}", step.variant, step.words);
            if self.stop.is_set() {
                return Err(stopped());
            }
            if Instant::now() >= end {
                return Err(out_of_time());
            }
            if let Some(why) = self.why_not(step) {
                self.report.skipped(&title, &why);
                self.reporter
                    .event(&Event::Note(format!("{title}: not tried: {why}")));
                continue;
            }
            let left = end.saturating_duration_since(Instant::now());
            let went = self.step(step, &title, step.within.min(left)).await?;
            let well = as_it_should(step.expected, went.end);
            self.said
                .entry(step.variant)
                .or_default()
                .push_str(&went.said);
            if went.end == End::Stopped {
                return Err(stopped());
            }
            if went.end == End::Overdue && Instant::now() >= end {
                return Err(out_of_time());
            }
            if !well {
                self.wrong.push(title.clone());
                let names = rehearsal.variants.iter().map(|variant| variant.name);
                let broken = names.filter(|name| match step.vital {
                    Vital::No => false,
                    Vital::ForVariant => *name == step.variant,
                    Vital::ForAll => true,
                });
                let why = format!("`{}` had failed", step.words);
                self.broken.extend(broken.map(|name| (name, why.clone())));
            }
        }
        Ok(())
    }

    /// Why a step is left out.
    fn why_not(&self, step: &Step) -> Option<String> {
        if let Some(why) = self.broken.get(step.variant)
            && !step.takes_away()
        {
            return Some(why.clone());
        }
        let there = self.place.deployments().unwrap_or_default();
        let there = there.iter().any(|entry| entry.name == step.variant);
        let by_id = matches!(&step.act, Act::Verb(words) if words.contains(&ID));
        if step.takes_away() && !there && !by_id {
            return Some("nothing is there".into());
        }
        if by_id && !self.ids.contains_key(step.variant) {
            return Some("nothing was made".into());
        }
        let said = self.said.get(step.variant).map_or("", String::as_str);
        let word = step.unless_said.filter(|word| said.contains(word))?;
        Some(format!("the site said {word}"))
    }

    async fn step(
        &mut self,
        step: &Step,
        title: &str,
        within: Duration,
    ) -> Result<Went, CommandError> {
        let (words, moment) = match &step.act {
            Act::Verb(words) => (words, None),
            Act::Killed(words, moment) => (words, Some(*moment)),
            Act::AwaitPowerOff => return self.off(step, title, within).await,
        };
        let id = self.ids.get(step.variant).map_or("", String::as_str);
        let words: Vec<String> = words.iter().map(|word| word.replace(ID, id)).collect();
        let mut arguments = words.clone();
        let inventory = self.place.inventory(step.variant).display().to_string();
        arguments.extend(["--inventory".into(), inventory]);
        if let Some(agents) = &self.options.agents
            && matches!(words[0].as_str(), "check" | "plan" | "up")
        {
            arguments.extend(["--agents".into(), agents.display().to_string()]);
        }
        // By its id a deployment is looked for on one cloud only.
        let cloud = self.place.cloud.to_string();
        arguments.extend(["--cloud".into(), cloud]);
        self.verb(title, arguments, moment, within, 1, step.expected)
            .await
    }

    /// Runs a verb and writes down how it went.
    async fn verb(
        &mut self,
        title: &str,
        mut arguments: Vec<String>,
        kill_at: Option<&str>,
        within: Duration,
        wishes: u32,
        expected: Expected,
    ) -> Result<Went, CommandError> {
        self.begin(title, &format!("deployer {}", arguments.join(" ")));
        let state = self.place.directory.display().to_string();
        arguments.extend(["--state-dir".into(), state]);
        if let Some(os_cloud) = &self.options.target.os_cloud {
            arguments.extend(["--os-cloud".into(), os_cloud.clone()]);
        }
        let began = Instant::now();
        let (mut said, mut first) = (String::new(), None);
        let run = Run {
            arguments: &arguments,
            kill_at,
            within,
            holds: &self.place.lock,
            stop: (self.stop, wishes),
        };
        let (report, reporter) = (&mut self.report, self.reporter);
        let mut line = |line: &str| {
            if line.starts_with(PROVEN) {
                first.get_or_insert(began.elapsed());
            }
            said.push_str(line);
            said.push('\n');
            tell(report, reporter, line);
        };
        let end = child::run(&run, &mut line).await?;
        self.learn_ids();
        let went = Went {
            end,
            took: began.elapsed(),
            first,
            said,
        };
        self.end(title, &went, expected);
        Ok(went)
    }

    async fn off(
        &mut self,
        step: &Step,
        title: &str,
        within: Duration,
    ) -> Result<Went, CommandError> {
        self.begin(title, "looks again and again");
        let all = self.place.deployments()?;
        let entry = all.into_iter().find(|entry| entry.name == step.variant);
        let began = Instant::now();
        let (report, reporter) = (&mut self.report, self.reporter);
        let mut line = |line: &str| tell(report, reporter, line);
        let end = match entry {
            None => End::Code(1),
            Some(entry) => {
                power_off::wait(entry, self.environment, within, self.stop, &mut line).await?
            }
        };
        let went = Went {
            end,
            took: began.elapsed(),
            first: None,
            said: String::new(),
        };
        self.end(title, &went, step.expected);
        Ok(went)
    }

    fn begin(&mut self, title: &str, command: &str) {
        self.report.step(title, command);
        self.reporter.event(&Event::StageStarted {
            stage: title.into(),
            nodes: Vec::new(),
        });
        self.reporter.event(&Event::StepStarted {
            node: None,
            words: title.into(),
        });
    }

    fn end(&mut self, title: &str, went: &Went, expected: Expected) {
        let words = words(expected, went.end);
        self.report.ended(title, &words, went.took, went.first);
        let outcome = if as_it_should(expected, went.end) {
            StepOutcome::Done
        } else {
            StepOutcome::Failed(words)
        };
        self.reporter.event(&Event::StepFinished {
            node: None,
            words: title.into(),
            outcome,
            took: went.took,
        });
    }

    fn learn_ids(&mut self) {
        for entry in self.place.deployments().unwrap_or_default() {
            if let Ok(receipt) = journal::read_receipt(&entry.directory) {
                self.ids.insert(entry.name, receipt.id);
            }
        }
    }
}

fn tell(report: &mut Report, reporter: &dyn Reporter, line: &str) {
    report.said(line);
    reporter.event(&Event::StepOutput {
        node: None,
        line: line.into(),
    });
}

fn stopped() -> CommandError {
    CommandError::interrupted("stopped before all was tried")
}

fn out_of_time() -> CommandError {
    CommandError::failed("the time limit was reached")
        .hint("a longer --time-limit, if all went as it should until then")
}

fn as_it_should(expected: Expected, end: End) -> bool {
    match expected {
        Expected::Code(code) => end == End::Code(code),
        Expected::Answer => matches!(end, End::Code(_)),
        Expected::Killed => end == End::Killed,
        Expected::Off => end == End::Code(0),
    }
}

fn words(expected: Expected, end: End) -> String {
    let ended = match end {
        End::Code(code) => format!("exit code {code}"),
        End::Killed => "killed".into(),
        End::Overdue => "took too long".into(),
        End::Stopped => "stopped".into(),
    };
    if as_it_should(expected, end) {
        format!("as it should: {ended}")
    } else {
        format!("NOT as it should: {ended}")
    }
}
