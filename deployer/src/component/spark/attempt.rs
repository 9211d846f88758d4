//! What a stream makes of the lines of a file, on this box and without a deployment: the driver itself says it.

use std::path::Path;

use super::job::Job;
use super::{
    DRIVER, DRIVER_TEXT, JOB, LOGGING, OPENED, OPTIONS, Options, queries, section, streams,
};
use crate::component::java;
use crate::step::Content;
use crate::template::{TemplateError, fixed, render};
use crate::topology::Topology;

/// What is to be run.
pub struct Attempt {
    /// Files of its directory.
    pub files: Vec<(&'static str, Content)>,
    /// What `java` is told.
    pub arguments: Vec<String>,
}

/// The names of all streams that can be tried, in the order of the alphabet: those that are queries.
pub fn names(topology: &Topology) -> Vec<&str> {
    queries(topology).map(|(name, _)| name.as_str()).collect()
}

/// Whether a stream is a program of the user's.
pub fn is_program(topology: &Topology, stream: &str) -> bool {
    let stream = streams(topology).get(stream);
    stream.is_some_and(|stream| stream.program.is_some())
}

/// A stream and a file; the directory is empty but for the jars, in `libs`. `None`: there is no such stream.
pub fn attempt(
    topology: &Topology,
    stream: &str,
    file: &Path,
    directory: &Path,
) -> Result<Option<Attempt>, TemplateError> {
    let Some((stream, wanted)) = streams(topology).get_key_value(stream) else {
        return Ok(None);
    };
    let own = directory.display().to_string();
    let path = |name: &str| format!("{own}/{name}");
    let options = Options {
        tuning: java::QUICK.join("\n"),
        heap_mib: section(topology).heap_mib,
        temporary: &own,
        login: None,
        logging: path(LOGGING),
        opened: OPENED,
        software: &own,
        classes: None,
    };
    let files = vec![
        (LOGGING, Content::open(fixed("spark/log4j2.properties")?)),
        (
            OPTIONS,
            Content::open(render("spark/java.options", &options)?),
        ),
        (DRIVER, Content::open(DRIVER_TEXT)),
        (JOB, Job::of_file(stream, wanted).content()?),
    ];
    let arguments = vec![
        format!("@{}", path(OPTIONS)),
        path(DRIVER),
        "try".to_owned(),
        path(JOB),
        file.display().to_string(),
    ];
    Ok(Some(Attempt { files, arguments }))
}
