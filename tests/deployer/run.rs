//! The runner, on an executor that only notes what it is told.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use deployer::facts::{Facts, Query};
use deployer::host::{HostError, Line};
use deployer::plan::{Change, Plan, Stage};
use deployer::report::{Event, Reporter, StepOutcome};
use deployer::run::runner::{Runner, Stop};
use deployer::run::{Executor, StepError};
use deployer::step::{Access, Action, Content, Step};

/// Notes `node path` of each removal, and fails where it is told to.
#[derive(Default)]
struct Notes {
    done: Mutex<Vec<String>>,
    most: Mutex<(usize, usize)>,
    fails_at: Option<&'static str>,
    stops_at: Option<(&'static str, Stop)>,
}

#[async_trait]
impl Executor for Notes {
    async fn ask(&self, _: &str, _: &Query) -> Result<Facts, HostError> {
        Ok(Facts::default())
    }

    async fn apply(&self, node: &str, action: &Action, line: Line<'_>) -> Result<(), StepError> {
        let (path, took) = match action {
            Action::RemoveFile { path } | Action::WriteFile { path, .. } => (path, 10),
            Action::UnpackArchive { path, .. } => (path, 100),
            other => panic!("{other:?}"),
        };
        let words = format!("{node} {path}");
        if let Some((at, stop)) = &self.stops_at
            && *at == words
        {
            stop.set();
        }
        {
            let mut most = self.most.lock().expect("lock");
            most.0 += 1;
            most.1 = most.1.max(most.0);
        }
        tokio::time::sleep(Duration::from_millis(took)).await;
        self.most.lock().expect("lock").0 -= 1;
        line(&format!("removing {path}"));
        if self.fails_at == Some(words.as_str()) {
            return Err(StepError::NoArtifact("none".into()));
        }
        self.done.lock().expect("lock").push(words);
        Ok(())
    }
}

#[derive(Default)]
struct Events(Mutex<Vec<String>>);

impl Reporter for Events {
    fn event(&self, event: &Event) {
        let words = match event {
            Event::StageStarted { stage, nodes } => format!("{stage} on {}", nodes.join(" ")),
            Event::StageFinished { stage, .. } => format!("{stage} ends"),
            Event::StepStarted { node, words } => {
                format!("{}: {words}", node.as_deref().unwrap_or("-"))
            }
            Event::StepOutput { line, .. } => format!("  {line}"),
            // How busy the box is matters to no test.
            Event::Waiting { .. } => return,
            Event::StepFinished {
                outcome: StepOutcome::Done,
                ..
            } => "  done".into(),
            Event::StepFinished { outcome, .. } => format!("  {outcome:?}"),
            Event::Note(text) | Event::Warning(text) => text.clone(),
        };
        self.0.lock().expect("lock").push(words);
    }
}

/// Removing a file; `%path` is unpacking an archive there, `+path` writing a file.
fn action(path: &str) -> Action {
    let access = Access::root("root", 0o644);
    match path.split_at(1) {
        ("%", path) => Action::UnpackArchive {
            artifact: "archive".into(),
            identity: "one".into(),
            path: path.into(),
            access,
            download: None,
            programs: Vec::new(),
        },
        ("+", path) => Action::WriteFile {
            path: path.into(),
            content: Content::open(""),
            access,
            judge: None,
        },
        _ => Action::RemoveFile { path: path.into() },
    }
}

/// `stage: node path path, node path`
fn plan(text: &[&str]) -> Plan {
    let queue = |queue: &str| {
        let mut words = queue.split_whitespace();
        let node = words.next().expect("node").to_owned();
        let changes = words
            .map(|path| Change {
                step: Step {
                    node: node.clone(),
                    action: action(path),
                },
                because: "it is there".into(),
                diff: None,
            })
            .collect();
        (node, changes)
    };
    let stages = text.iter().map(|stage| {
        let (name, queues) = stage.split_once(": ").expect("stage");
        Stage {
            name: name.into(),
            queues: queues.split(", ").map(queue).collect(),
        }
    });
    Plan {
        stages: stages.collect(),
        ..Plan::default()
    }
}

const TWO_STAGES: &[&str] = &["one: a 1 2, b 1 2 3", "two: a 4, c 4"];

#[tokio::test]
async fn stages_follow_each_other_and_nodes_do_not_wait_for_each_other() {
    let (notes, events, stop) = (Notes::default(), Events::default(), Stop::default());
    let after = Mutex::new(Vec::new());
    let after_step = |step: &Step| after.lock().expect("lock").push(step.node.clone());
    let plan = plan(TWO_STAGES);
    let summary = Runner::new(&notes, &events, &stop)
        .run(&plan, &after_step)
        .await
        .expect("runs");
    assert_eq!((summary.done, summary.left), (7, 0));
    let stages: Vec<(&str, u128)> = summary
        .stages
        .iter()
        .map(|(name, took)| (name.as_str(), took.as_millis()))
        .collect();
    assert_eq!(
        stages.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
        ["one", "two"]
    );
    let done = notes.done.into_inner().expect("lock");
    let at = |words: &str| done.iter().position(|done| done == words).expect("done");
    assert!(at("a 1") < at("a 2") && at("b 1") < at("b 2") && at("b 2") < at("b 3"));
    assert!(at("b 1") < at("a 2"), "b waited for a: {done:?}");
    assert!(at("b 3") < at("a 4") && at("b 3") < at("c 4"));
    assert_eq!(after.into_inner().expect("lock").len(), 7);
    let events = events.0.into_inner().expect("lock");
    assert_eq!(events[0], "one on a b");
    assert!(
        events.contains(&"b: remove 3".into()) && events.contains(&"  removing 3".into()),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_failed_node_lets_its_neighbours_finish_the_stage() {
    let notes = Notes {
        fails_at: Some("a 1"),
        ..Notes::default()
    };
    let (events, stop) = (Events::default(), Stop::default());
    let failures = Runner::new(&notes, &events, &stop)
        .run(&plan(TWO_STAGES), &|_| {})
        .await
        .expect_err("fails");
    assert_eq!(
        notes.done.into_inner().expect("lock"),
        ["b 1", "b 2", "b 3"]
    );
    let (words, error) = &failures["a"];
    assert_eq!(words, "remove 1");
    assert!(matches!(error, StepError::NoArtifact(_)));
    assert_eq!(failures.len(), 1);
}

#[tokio::test]
async fn a_stop_begins_nothing_new() {
    let stop = Stop::default();
    let notes = Notes {
        stops_at: Some(("b 1", stop.clone())),
        ..Notes::default()
    };
    let events = Events::default();
    let summary = Runner::new(&notes, &events, &stop)
        .run(&plan(TWO_STAGES), &|_| {})
        .await
        .expect("no failure");
    assert_eq!(
        notes.done.into_inner().expect("lock"),
        ["a 1", "b 1"],
        "what had begun was ended"
    );
    assert_eq!((summary.done, summary.left), (2, 5));
    let _left = stop.unless(1, std::future::pending::<()>()).await;
}

#[tokio::test]
async fn at_most_ten_nodes_at_a_time() {
    let queues: Vec<String> = (0..25).map(|number| format!("n{number} 1 2")).collect();
    let (notes, events, stop) = (Notes::default(), Events::default(), Stop::default());
    let stage = format!("all: {}", queues.join(", "));
    let summary = Runner::new(&notes, &events, &stop)
        .run(&plan(&[&stage]), &|_| {})
        .await
        .expect("runs");
    assert_eq!(summary.done, 50);
    assert_eq!(notes.most.into_inner().expect("lock"), (0, 10));
}

/// Killed after any step (its future is dropped while the next step runs): the steps that were told to `after_step` were done.
#[tokio::test]
async fn killed_after_each_step_it_has_told_no_more_than_it_did() {
    for kill_after in 0..7 {
        let (notes, events, stop) = (Notes::default(), Events::default(), Stop::default());
        let told = Mutex::new(0);
        let plan = plan(TWO_STAGES);
        let killed = tokio::sync::Notify::new();
        let after_step = |_: &Step| {
            let mut told = told.lock().expect("lock");
            *told += 1;
            if *told == kill_after {
                killed.notify_one();
            }
        };
        let runner = Runner::new(&notes, &events, &stop);
        tokio::select! {
            biased;
            () = killed.notified() => {}
            result = runner.run(&plan, &after_step) => assert!(result.is_ok()),
        }
        let (told, done) = (
            *told.lock().expect("lock"),
            notes.done.lock().expect("lock").len(),
        );
        assert_eq!(told, done);
        assert!(kill_after == 0 || told >= kill_after);
    }
}

async fn order(stage: &str, fails_at: Option<&'static str>) -> (Vec<String>, bool) {
    let notes = Notes {
        fails_at,
        ..Notes::default()
    };
    let (events, stop) = (Events::default(), Stop::default());
    let ran = Runner::new(&notes, &events, &stop)
        .run(&plan(&[stage]), &|_| ())
        .await;
    (notes.done.into_inner().expect("lock"), ran.is_ok())
}

#[tokio::test]
async fn small_steps_go_on_beside_what_is_sent() {
    let (done, well) = order("one: a %/big 1 2", None).await;
    assert_eq!(done, ["a 1", "a 2", "a /big"]);
    assert!(well);
    let (done, _) = order("one: a %/first %/second 1", None).await;
    assert_eq!(done, ["a /first", "a 1", "a /second"], "one at a time");
    let (done, _) = order("one: a %/place 1 +/place/file 2", None).await;
    assert_eq!(done, ["a 1", "a /place", "a /place/file", "a 2"]);
}

#[tokio::test]
async fn what_is_sent_ends_although_a_step_beside_it_failed() {
    let (done, well) = order("one: a %/big 1 2", Some("a 1")).await;
    assert_eq!(done, ["a /big"]);
    assert!(!well);
    let (done, well) = order("one: a 1 %/big 2", Some("a /big")).await;
    assert_eq!(done, ["a 1", "a 2"]);
    assert!(!well);
}
