//! `send`: each line of a file as an event. The events are numbered within a run that is named by the file's content, so that
//! a file that is sent twice makes no second document.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Seek as _, Write as _};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::cli::{Environment, Send};
use crate::contract::Sent;
use crate::documents::step::Step;
use crate::error::CommandError;
use crate::host::Input;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::{PipelineTool, connect};
use crate::report::{Event, Reporter};
use crate::topology::CANARY_TOPIC;

/// About the bytes of lines that one call of the tool takes.
const PART: usize = 8 << 20;
/// How long a call may take: the brokers may be away for a minute.
const CALL: Duration = Duration::from_mins(3);

/// Sends them, and says how many were acknowledged.
pub async fn run(
    options: &Send,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    let topic = options.topic.as_str();
    require(&deployment, topic)?;
    let mut file = opened(options)?;
    let run = run_of(&mut file)?;
    let connections = connect(&deployment, environment, reporter).await?;
    let tool = PipelineTool::of_log(&connections, &deployment.topology, &deployment.secrets()?)?;

    let step = Step::begin(format!("send to {topic}"), reporter);
    let mut lines = BufReader::new(file);
    let (mut sent, mut acked) = (0, 0);
    loop {
        let part = part(&mut lines)?;
        if part.is_empty() {
            break;
        }
        let first = (sent + 1).to_string();
        let words = ["send", "--topic", topic, "--run", &run, "--first", &first];
        let what = "the lines cannot be sent";
        let input = Input::Bytes(tool.input(&part));
        let said = tool.call(what, &words, input, CALL).await;
        let said = said.map_err(|error| again(error, sent + 1))?;
        let part: Sent = serde_json::from_slice(&said)?;
        sent += part.sent;
        acked += part.acked;
        if let Some(failed) = part.failed {
            let error = CommandError::failed(format!(
                "{topic}: line {} was not acknowledged: {}; {acked} lines were",
                failed.line, failed.reason
            ));
            return Err(again(error, failed.line));
        }
        step.says(format!("{sent} lines"));
    }
    step.end();
    connections.close(true).await?;
    reporter.event(&Event::Note(format!(
        "{sent} lines sent, {acked} acknowledged: run {run} of client send"
    )));
    Ok(0)
}

fn again(error: CommandError, from: u64) -> CommandError {
    error.hint(format!(
        "the same command sends all again: what was stored before line {from} makes no second document"
    ))
}

/// Refuses what is no topic for a user's events.
fn require(deployment: &Deployment, topic: &str) -> Result<(), CommandError> {
    let topics = deployment.topology.topics.keys().map(String::as_str);
    let known: Vec<&str> = topics.filter(|topic| *topic != CANARY_TOPIC).collect();
    if known.contains(&topic) {
        return Ok(());
    }
    let error = CommandError::usage(format!(
        "the inventory has no topic `{topic}`; it has {}",
        known.join(", ")
    ));
    Err(error.hint("topics for events of your own: `topics.extra` (deployer guide clients)"))
}

/// What is sent, as a file that can be read twice.
fn opened(options: &Send) -> Result<File, CommandError> {
    if options.file.as_os_str() == "-" {
        let mut file = tempfile::tempfile()?;
        std::io::copy(&mut std::io::stdin().lock(), &mut file)?;
        file.flush()?;
        file.rewind()?;
        return Ok(file);
    }
    File::open(&options.file).map_err(|error| {
        CommandError::usage(format!("cannot read {}: {error}", options.file.display()))
    })
}

/// A run's id: the same for the same content.
fn run_of(file: &mut File) -> Result<String, CommandError> {
    let mut digest = Sha256::new();
    std::io::copy(file, &mut digest)?;
    file.rewind()?;
    let mut run = hex::encode(digest.finalize());
    run.truncate(16);
    Ok(run)
}

/// The next lines, whole; nothing: there are no more.
fn part(lines: &mut BufReader<impl Read>) -> Result<Vec<u8>, CommandError> {
    let mut part = Vec::new();
    while part.len() < PART && lines.read_until(b'\n', &mut part)? > 0 {}
    Ok(part)
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Seek as _, Write as _};

    use super::{PART, part, run_of};

    #[test]
    fn a_run_is_named_by_its_content() {
        let name = |text: &str| {
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(text.as_bytes()).expect("written");
            file.rewind().expect("rewound");
            let name = run_of(&mut file).expect("read");
            assert_eq!(run_of(&mut file).expect("read"), name, "read twice");
            name
        };
        assert_eq!(name("a\nb\n"), name("a\nb\n"));
        assert_eq!(name("a\nb\n").len(), 16);
        assert_ne!(name("a\nb\n"), name("a\nb"));
    }

    #[test]
    fn parts_are_whole_lines() {
        let long = "x".repeat(PART / 2 + 1);
        let text = format!("a\n{long}\n{long}\nb");
        let mut lines = BufReader::new(text.as_bytes());
        let mut next = || String::from_utf8(part(&mut lines).expect("read")).expect("text");
        assert_eq!(next(), format!("a\n{long}\n{long}\n"));
        assert_eq!((next(), next()), ("b".to_owned(), String::new()));
    }
}
