//! `try`: what a stream makes of the lines of a file, on this box and without a deployment.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use crate::artifact::cache::Cache;
use crate::artifact::origin;
use crate::artifact::program::Program;
use crate::cli::{Environment, Try};
use crate::component::pipeline::{self, STREAMER};
use crate::error::CommandError;
use crate::prepare::target::{self, Source};
use crate::process;
use crate::reach::failure::with_place;
use crate::receipt::Choices;
use crate::report::{Event, Reporter};
use crate::topology::Topology;

/// How long it may take.
const DEADLINE: Duration = Duration::from_mins(10);

/// Shows the rows as a table.
pub async fn run(
    options: &Try,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let (source, topology) = target::read_topology(&options.target)?;
    let streams = pipeline::streams(&topology);
    let stream = options.stream.as_str();
    if pipeline::is_program(&topology, stream) {
        let words = format!("the stream {stream} is a program, and `try` is for queries");
        return Err(CommandError::usage(words).hint("run it on this box by its own means"));
    }
    if !streams.contains(&stream) {
        return Err(no_stream(stream, &streams, &source));
    }
    let file = fs::canonicalize(&options.file).and_then(|path| fs::File::open(&path).map(|_| path));
    let file = file.map_err(|error| {
        CommandError::usage(format!("cannot read {}: {error}", options.file.display()))
    })?;

    let archive = archive(&topology, environment, reporter).await?;
    let directory = tempfile::tempdir_in(&environment.cache_dir)?;
    tar::Archive::new(fs::File::open(archive)?).unpack(directory.path())?;
    let attempt = pipeline::attempt(&topology, stream, &file, directory.path())?;
    let attempt = attempt.ok_or_else(|| no_stream(stream, &streams, &source))?;
    for (name, content) in &attempt.files {
        fs::write(directory.path().join(name), &content.text)?;
    }
    let java = Program::java();
    java.provide(&|line| output(reporter, line)).await?;
    let mut command = process::command(&java.name);
    command
        .args(&attempt.arguments)
        .current_dir(directory.path());
    let ended = process::run(&mut command, &[], DEADLINE, &|_| ()).await?;
    let ended = ended.ok_or_else(|| {
        CommandError::failed(format!("it was ended after {} s", DEADLINE.as_secs()))
            .hint("try fewer lines")
    })?;
    if ended.status.success() {
        out.write_all(&ended.stdout)?;
        return Ok(0);
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let error = CommandError::failed(said.trim_end().to_owned());
    Err(with_place(error, &source.inventory))
}

/// Fetches the software.
async fn archive(
    topology: &Topology,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<PathBuf, CommandError> {
    let origin = STREAMER.artifact(topology, &Choices::default());
    let origin = origin.ok_or_else(|| CommandError::failed("streams have no software"))?;
    let cache = Cache::new(&environment.cache_dir);
    let (archive, _) = origin::fetch(origin, &cache, None, &|line| output(reporter, line)).await?;
    Ok(archive)
}

fn output(reporter: &dyn Reporter, line: &str) {
    reporter.event(&Event::StepOutput {
        node: None,
        line: line.into(),
    });
}

fn no_stream(stream: &str, streams: &[&str], source: &Source) -> CommandError {
    let there = if streams.is_empty() {
        "it has none".to_owned()
    } else {
        format!("there are {}", streams.join(", "))
    };
    CommandError::usage(format!("{} has no stream `{stream}`: {there}", source.file))
}
