//! `dead-letters`: what could never be a document, with the reason, another try for it, and its end as something to be seen to.

use std::io::Write;
use std::time::Duration;

use crate::cli::{DeadLetters, Environment};
use crate::contract::{DeadLetter, DeadLetterOutcome};
use crate::error::CommandError;
use crate::host::Input;
use crate::reach::deployment::Deployment;
use crate::reach::pipeline_tool::{PipelineTool, connect};
use crate::report::{Event, Reporter};

/// How long reading them all may take.
const READING: Duration = Duration::from_mins(2);
/// How long trying them all again may take. Those that are documents by then stay so: another call goes on.
const RETRYING: Duration = Duration::from_mins(10);

/// Prints them, one a line. Exit code 1 only when some were tried again and are dead still.
pub async fn run(
    options: &DeadLetters,
    environment: &Environment,
    reporter: &dyn Reporter,
    out: &mut dyn Write,
) -> Result<u8, CommandError> {
    let deployment = Deployment::find(&options.target, environment)?;
    deployment.require_topic(options.topic.as_deref())?;
    let connections = connect(&deployment, environment, reporter).await?;
    let tool = PipelineTool::of(&connections, &deployment.topology)?;
    let mut words = vec!["dead-letters"];
    if let Some(topic) = &options.topic {
        words.extend(["--topic", topic]);
    }
    let mut limit = READING;
    let (mut what, acts) = (
        "the dead letters cannot be read",
        options.retry || options.put_away,
    );
    if acts {
        limit = RETRYING;
    }
    if options.retry {
        words.push("--retry");
    }
    if options.put_away {
        words.push("--put-away");
        what = "the dead letters cannot be put away";
    }
    let printed = tool.call(what, &words, Input::Nothing, limit).await?;
    let letters = printed
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(serde_json::from_slice)
        .collect::<Result<Vec<DeadLetter>, _>>()?;
    if options.json {
        out.write_all(&printed)?;
    } else if !letters.is_empty() {
        write!(out, "{}", table(&letters, acts))?;
    }
    let alive = letters
        .iter()
        .filter(|letter| letter.outcome == Some(DeadLetterOutcome::Document))
        .count();
    let put_away = |letter: &&DeadLetter| letter.put_away.is_some();
    let settled = letters.iter().filter(put_away).count();
    let dead = letters
        .iter()
        .filter(|letter| letter.put_away.is_none())
        .filter(|letter| letter.outcome != Some(DeadLetterOutcome::Document))
        .count();
    reporter.event(&Event::Note(if options.retry {
        format!("{alive} of {} are documents now", letters.len())
    } else if options.put_away {
        format!(
            "{} were put away: they stay in their databases, and `status` counts them no more",
            letters.len()
        )
    } else if dead == 0 && settled > 0 {
        format!("there are no dead letters but {settled} that were put away")
    } else if dead == 0 {
        "there are no dead letters".into()
    } else {
        untried(&letters)
    }));
    connections.close(true).await?;
    Ok(u8::from(options.retry && dead > 0))
}

/// What can be done about letters that were not tried again.
fn untried(letters: &[DeadLetter]) -> String {
    let (beside, letters): (Vec<&DeadLetter>, Vec<&DeadLetter>) =
        letters.iter().partition(|letter| letter.sink.is_some());
    if letters.is_empty() {
        return format!(
            "{} dead letters beside sinks, where they are only shown",
            beside.len()
        );
    }
    let open = || letters.iter().filter(|letter| letter.put_away.is_none());
    let all = open().count();
    let cut = open().filter(|letter| letter.incomplete).count();
    let retry = "`deployer dead-letters --retry` tries them again when their cause is gone";
    let never = "too large to be kept whole: they are not tried again, and have to be sent anew";
    let words = match cut {
        0 => format!("{all} dead letters; {retry}"),
        _ if cut == all => format!("{all} dead letters, all {never}"),
        _ => format!("{all} dead letters, {cut} of them {never}; of the others {retry}"),
    };
    let words = format!("{words}; `--put-away` settles all of them");
    match beside.len() {
        0 => words,
        shown => format!("{words}; {shown} beside sinks are only shown"),
    }
}

/// A line for each: what became of it where it was tried again, where it came from, and why it is dead.
fn table(letters: &[DeadLetter], retried: bool) -> String {
    let outcome = |letter: &DeadLetter| match letter.outcome {
        None => "",
        Some(DeadLetterOutcome::Document) => "document",
        Some(DeadLetterOutcome::Dead) => "dead",
        Some(DeadLetterOutcome::Incomplete) => "incomplete",
        Some(DeadLetterOutcome::PutAway) => "put away",
    };
    let line = |now: &str, topic: &str, place: [&str; 3], reason: &str| {
        let [partition, offset, bytes] = place;
        let now = if retried {
            format!("{now:<12}")
        } else {
            String::new()
        };
        format!("{now}{topic:<24} {partition:>9} {offset:>10} {bytes:>10}  {reason}\n")
    };
    let head = line("now", "topic", ["partition", "offset", "bytes"], "reason");
    let lines = letters.iter().map(|letter| {
        let bytes = letter
            .value_bytes
            .map_or("-".into(), |bytes| bytes.to_string());
        let (partition, offset) = (letter.partition.to_string(), letter.offset.to_string());
        // A reason may hold what the store said: one line each.
        let reason: Vec<&str> = letter.reason.split_whitespace().collect();
        let settled = match &letter.put_away {
            Some(when) => format!("(put away {when}) "),
            None => String::new(),
        };
        line(
            outcome(letter),
            &letter.topic,
            [&partition, &offset, &bytes],
            &(settled + &reason.join(" ")),
        )
    });
    head + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{DeadLetter, table, untried};

    fn letters(outcomes: [Option<&str>; 2]) -> Vec<DeadLetter> {
        let letter = |(offset, outcome): (usize, Option<&str>)| {
            let letter = json!({"database": "t-dead-letters", "id": "x", "reason": "not\nJSON", "topic": "t", "partition": 0,
                "offset": offset, "value_bytes": (offset > 0).then_some(7), "outcome": outcome});
            serde_json::from_value(letter).expect("a letter")
        };
        outcomes.into_iter().enumerate().map(letter).collect()
    }

    #[test]
    fn only_those_that_are_whole_are_said_to_be_tried_again() {
        let mut letters = letters([None, None]);
        assert!(untried(&letters).starts_with("2 dead letters; `deployer dead-letters --retry`"));
        letters[0].incomplete = true;
        let words = untried(&letters);
        assert!(
            words.contains("1 of them too large") && words.contains("--retry"),
            "{words}"
        );
        letters[1].incomplete = true;
        let words = untried(&letters);
        assert!(
            words.contains("all too large") && !words.contains("--retry"),
            "{words}"
        );
    }

    #[test]
    fn each_has_its_place_and_reason_on_one_line() {
        let lines = table(&letters([None, None]), false);
        assert_eq!(
            lines,
            "topic                    partition     offset      bytes  reason\n\
             t                                0          0          -  not JSON\n\
             t                                0          1          7  not JSON\n"
        );
        let lines = table(&letters([Some("document"), Some("incomplete")]), true);
        let first: Vec<&str> = lines
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        assert_eq!(first, ["now", "document", "incomplete"]);
    }
}
