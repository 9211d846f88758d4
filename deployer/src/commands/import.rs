//! `import`: the documents of an export, into a deployment's store. The whole file is read first; what is there already is
//! never overwritten, so the same import may run again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::cli::{Environment, Import};
use crate::component::pipeline::{self, STORE};
use crate::contract::Imported;
use crate::documents::file::Whole;
use crate::documents::step::{STALL, Step};
use crate::error::CommandError;
use crate::host::Input;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::{PipelineTool, connect};
use crate::report::{Event, Reporter};

/// Bytes of a part; see [`super::export`].
const PART: usize = 4 << 20;
/// So many documents that could not be written are named.
const NAMED: usize = 20;

/// Writes the documents. Exit code 1 when some are not as in the file afterwards.
pub async fn run(
    options: &Import,
    environment: &Environment,
    reporter: &dyn Reporter,
) -> Result<u8, CommandError> {
    let started = Instant::now();
    let path = options.file.display();
    let file = Whole::open(&options.file)?;
    let head = &file.head;
    let total: u64 = file.end.documents.values().sum();
    let deployment = Deployment::find(&options.target, environment)?;
    let words = format!(
        "{path}: {total} documents of {}, exported at {}",
        head.deployment, head.date
    );
    reporter.event(&Event::Note(words));
    let secrets = deployment.secrets()?;
    let credentials = pipeline::credentials(&secrets);
    let connections = connect(&deployment, environment, reporter).await?;
    let tool = PipelineTool::of_store(&connections, &deployment.topology)?;
    let secrets_file = deployment.secrets_file();

    let step = Step::begin(
        format!("import into {}", deployment.topology.name),
        reporter,
    );
    let mut lines = file.documents()?;
    // The first part makes the databases, also where there is no document.
    let mut databases = json!(head.databases);
    let (mut done, mut sent) = (Imported::default(), 0);
    let mut told = BTreeSet::new();
    loop {
        let mut request = json!({"couchdb": credentials, "databases": databases.take()});
        if sent == 0 && !head.partitioned.is_empty() {
            request["partitioned"] = json!(head.partitioned);
        }
        let (part, count) = part(&request, &mut lines, &mut done.failed)?;
        if count == 0 && sent > 0 {
            break;
        }
        let what = "the documents cannot be written";
        let said = tool.call_as_admin(&secrets_file, what, &["import"], Input::Bytes(part), STALL);
        add(&mut done, serde_json::from_slice(&said.await?)?);
        sent += count;
        databases = json!([]);
        step.says(format!("{sent} of {total}"));
        for (database, (why, _)) in &done.failed {
            if told.insert(database.clone()) {
                step.says(format!("{database} is given up: {why}"));
            }
        }
        if count == 0 {
            break;
        }
    }
    step.end();
    connections.close(true).await?;

    for words in &done.named {
        reporter.event(&Event::Warning(words.clone()));
    }
    let mut untaken = 0;
    for (database, (why, count)) in &done.failed {
        untaken += count;
        reporter.event(&Event::Warning(format!(
            "{database}: {count} documents were not written, {} takes none there: {why}; when it does, the same import goes on",
            STORE.title()
        )));
    }
    reporter.event(&Event::Note(format!(
        "{} documents written, {} were there already, {} are there with another body and were left so, {} refused{} ({:.1} s)",
        done.written,
        done.present,
        done.different,
        done.refused,
        match untaken {
            0 => String::new(),
            _ => format!(", {untaken} not taken"),
        },
        started.elapsed().as_secs_f64()
    )));
    Ok(u8::from(done.different + done.refused + untaken > 0))
}

/// The next lines with the request before them, and how many they are. Lines of a database that was given up are left out and
/// counted there.
fn part(
    request: &Value,
    lines: &mut impl Iterator<Item = Result<Vec<u8>, CommandError>>,
    failed: &mut BTreeMap<String, (String, u64)>,
) -> Result<(Vec<u8>, u64), CommandError> {
    let mut part = format!("{request}\n").into_bytes();
    let mut count = 0;
    while part.len() < PART {
        let Some(line) = lines.next().transpose()? else {
            break;
        };
        if !failed.is_empty() {
            let of: Place = serde_json::from_slice(&line)?;
            if let Some((_, left)) = failed.get_mut(&of.database) {
                *left += 1;
                continue;
            }
        }
        part.extend(line);
        count += 1;
    }
    Ok((part, count))
}

/// What a document's line says first.
#[derive(Deserialize)]
struct Place {
    database: String,
}

fn add(sum: &mut Imported, part: Imported) {
    sum.failed.extend(part.failed);
    sum.written += part.written;
    sum.present += part.present;
    sum.different += part.different;
    sum.refused += part.refused;
    sum.named.extend(part.named);
    sum.named.truncate(NAMED);
}
