//! The report: Markdown that grows line by line, so that whatever ends the rehearsal leaves what was seen until then. Everything
//! goes through the redactor.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::error::CommandError;
use crate::rehearsal::{Redactor, Rehearsal};

use super::limits::Limits;

/// Lines of a step that are kept: more is a loop.
const LINES: usize = 400;

/// The file, and what will be in its table.
pub(super) struct Report {
    file: File,
    path: PathBuf,
    redactor: Redactor,
    rows: Vec<String>,
    lines: usize,
    /// Why it could not be written, if so: the rehearsal goes on to its end all the same.
    failed: Option<std::io::Error>,
}

impl Report {
    /// Makes the file and writes its head.
    pub(super) fn begin(
        path: &Path,
        redactor: Redactor,
        rehearsal: &Rehearsal,
        limits: &Limits,
        began: Timestamp,
    ) -> Result<Self, CommandError> {
        let file = OpenOptions::new().write(true).create_new(true).open(path);
        let file = file.map_err(|error| {
            CommandError::usage(format!(
                "cannot make the report {}: {error}",
                path.display()
            ))
            .hint("name another file: --report FILE")
        })?;
        let mut report = Self {
            file,
            path: path.to_owned(),
            redactor,
            rows: Vec::new(),
            lines: 0,
            failed: None,
        };
        let cloud = rehearsal.cloud;
        report.line(&format!("# A rehearsal on {cloud}, {}", when(began)));
        report.line("");
        let (version, system) = (env!("CARGO_PKG_VERSION"), std::env::consts::OS);
        report.line(&format!(
            "* deployer {version} on {system} {}",
            std::env::consts::ARCH
        ));
        report.line(&format!("* cost and time: {}", limits.words()));
        for variant in &rehearsal.variants {
            report.line(&format!("* `{}`: {}", variant.name, variant.purpose));
        }
        for remark in &rehearsal.remarks {
            report.line(&format!("* {remark}"));
        }
        report.line("* secrets, account numbers, public addresses and what looks like them are left out: `<…>`");
        Ok(report)
    }

    /// A step begins.
    pub(super) fn step(&mut self, title: &str, command: &str) {
        self.lines = 0;
        let now = when(Timestamp::now());
        self.line(&format!("\n## {title}\n\n`{command}`, at {now}:\n"));
    }

    /// It said this. Indented, so that nothing in it is taken for Markdown.
    pub(super) fn said(&mut self, text: &str) {
        self.lines += 1;
        match self.lines {
            ..=LINES => self.line(&format!("    {text}")),
            _ if self.lines == LINES + 1 => self.line("    … and more lines"),
            _ => {}
        }
    }

    /// It ended so.
    pub(super) fn ended(
        &mut self,
        title: &str,
        outcome: &str,
        took: Duration,
        first: Option<Duration>,
    ) {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let document = first.map_or_else(String::new, |first| {
            format!("; the first documents after {}", seconds(first))
        });
        self.line(&format!(
            "\n**{outcome}** after {}{document}",
            seconds(took)
        ));
        let first = first.map_or("-".into(), seconds);
        let row = format!("| {title} | {outcome} | {} | {first} |", seconds(took));
        self.rows.push(row);
    }

    /// It was not tried.
    pub(super) fn skipped(&mut self, title: &str, why: &str) {
        self.line(&format!("\n## {title}\n\n**not tried**: {why}"));
        self.rows
            .push(format!("| {title} | not tried: {why} | - | - |"));
    }

    /// The table, and what is left. Fails where anything of it could not be written.
    pub(super) fn end(mut self, left: &str) -> Result<(), CommandError> {
        self.line("\n## In short\n\n| step | how it ended | took | first documents after |\n|---|---|---|---|");
        for row in std::mem::take(&mut self.rows) {
            self.line(&row);
        }
        self.line(&format!("\n{left} ({})", when(Timestamp::now())));
        match self.failed {
            None => Ok(()),
            Some(error) => Err(CommandError::failed(format!(
                "cannot write the report {}: {error}",
                self.path.display()
            ))),
        }
    }

    fn line(&mut self, text: &str) {
        let mut clean: String = text
            .split('\n')
            .map(|line| self.redactor.line(line) + "\n")
            .collect();
        // Progress that is drawn over itself is one line.
        clean.retain(|c| c != '\r' && c != '\u{1b}');
        let written = self.file.write_all(clean.as_bytes());
        self.failed = self.failed.take().or(written.err());
    }
}

fn when(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
