//! A tool that a component brings, at work on a node: it reads what we read, what it prints is seen as it comes, and it ends when
//! we do, however we end.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::component::own_tool::OwnTool;
use crate::host::{Bytes, Command, Host, HostError, Input, Line, Output, UNTIL_ENDED};

/// Makes the directory of the call, which is root's alone and in memory, with its files; says so; and waits for the end of its
/// input. That comes when nobody waits for the tool any more: then the tool is ended, and the directory goes. Arguments: the
/// directory, then name and size of each file; the files are its input.
const LEASH: &str = include_str!("own_tool_leash.sh");

/// Says which process the tool is, and becomes it.
const TOOL: &str = r#"echo $$ >"$1/process" && shift && exec "$@""#;

/// A name for the directory of a call, other than that of any other.
pub fn directory() -> String {
    format!(
        "/run/deployer-tool-{}",
        hex::encode(rand::random::<[u8; 8]>())
    )
}

/// Runs a tool in its directory to its end.
pub async fn run(
    host: &dyn Host,
    tool: OwnTool,
    directory: &str,
    out: Bytes<'_>,
    line: Line<'_>,
) -> Result<Output, HostError> {
    let (begun, said) = (Notify::new(), Mutex::new(Vec::new()));
    let mut words = vec![directory.to_owned()];
    let mut files = Vec::new();
    for (name, text) in &tool.files {
        let text = text.expose();
        words.extend([(*name).to_owned(), text.len().to_string()]);
        files.extend_from_slice(text.as_bytes());
    }
    let leash = script(LEASH, words, Input::Held(files));
    let ready = |_: &[u8]| begun.notify_one();
    let trouble = |text: &str| {
        // A text that was cut off by a panic elsewhere is no trouble of ours.
        if let Ok(mut said) = said.lock() {
            said.push(text.to_owned());
        }
    };
    let mut words = vec![directory.to_owned(), tool.program];
    words.extend(tool.arguments);
    let tool = script(TOOL, words, Input::Own);
    let work = async {
        begun.notified().await;
        host.run_live(&tool, out, line).await
    };
    tokio::select! {
        biased;
        ended = work => ended,
        // It waits for us: by itself it ends only where it cannot begin.
        ended = host.run_live(&leash, &ready, &trouble) => ended,
    }
}

/// A script with its arguments, as root.
fn script(text: &str, words: Vec<String>, input: Input) -> Command {
    let head = ["-c", text, "deployer"].map(str::to_owned);
    Command {
        program: "sh".into(),
        arguments: head.into_iter().chain(words).collect(),
        input,
        timeout: UNTIL_ENDED,
        root: true,
    }
}
